"""Tunnels that carry the connection by which their router is managed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.safety import SafetyPolicy
from reconciler.policy import Override
from tests.converged import assert_converged
from tests.fabrics import number_of
from tests.unit.policy.judged import (
    CLOSED,
    apply_allowed,
    each,
    judged,
    reconnecting,
    renewing,
    site_of,
    waiting,
    without,
)


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (("10.101.0.1", "10.102.0.7"), "the interrupted tunnel carries the connection to paris itself"),
        (("10.101.0.1", "10.102.1.7"), ""),
        (("203.0.113.1", "10.102.0.7"), ""),
    ],
)
def test_a_tunnel_that_carries_our_own_way(way: tuple[str, str], words: str) -> None:
    site = site_of(2)
    host = site.connect("paris").host
    host.management = way  # type: ignore[attr-defined]
    wanted = reconnecting(site.fabric, {0})
    _, found = judged(site, wanted)
    assert [deferral.reason[: len(words)] for deferral in found.deferrals] == ([words] if words else [])
    assert not judged(site, wanted, Override.MANAGEMENT)[1].deferrals
    assert not judged(site, renewing(site.fabric, {0, 1}))[1].deferrals, "no packet of ours is lost"


def test_what_a_router_says_of_our_own_way_costs_the_tunnels_that_carry_it_alone() -> None:
    """Both of their ends; they count for no budget."""
    site = site_of(3)
    site.connect("paris").host.management = ("10.101.0.1", "10.102.0.7")  # type: ignore[attr-defined]
    wanted = replace(reconnecting(site.fabric, {0, 1}), safety=SafetyPolicy(max_interrupted=1))
    before, found = judged(site, wanted)
    assert not found.refusals
    assert waiting(found) == {0}
    assert len(found.deferred) == 2
    assert apply_allowed(site, before, found).converged
    assert {number_of(c.resource.name) for c in site.preview(wanted).plan.changes} == {0}
    _, found = judged(site, reconnecting(wanted, {0, 1, 2}), Override.MANAGEMENT)
    assert waiting(found) == {2}, "what is overridden counts"


@pytest.mark.parametrize("there", ["paris", "tokyo"])
@pytest.mark.parametrize("asked", ["paris", "tokyo"])
def test_whichever_end_interrupts_cuts_our_way_to_either(asked: str, there: str) -> None:
    site = site_of(1)
    way = ("10.101.0.1", "10.102.0.7") if there == "paris" else ("10.102.0.1", "10.101.0.7")
    site.connect(there).host.management = way  # type: ignore[attr-defined]
    wanted = each(site.fabric, lambda t: replace(t, reconnect="now" if t.router == asked else ""))
    before, found = judged(site, wanted)
    assert {change.resource.router for change in before.plan.changes} == {asked}
    assert f"the interrupted tunnel carries the connection to {there} itself" in found.deferrals[0].reason
    assert len(found.deferrals) == 1


def test_a_tunnel_that_would_take_our_own_way_in_or_leave_it_out() -> None:
    site = site_of(2)
    site.connect("paris").host.management = ("10.101.0.1", "10.102.0.200")  # type: ignore[attr-defined]
    assert_converged(site.apply(without(site.fabric, {0})))
    _, found = judged(site, site.fabric)
    assert "would from now on carry the connection to paris" in found.deferrals[0].reason
    assert_converged(site.apply(site.fabric))
    half = each(
        site.fabric,
        lambda t: replace(
            t,
            local_cidrs=tuple(c.replace("/24", "/25") for c in t.local_cidrs),
            peer_cidrs=tuple(c.replace("/24", "/25") for c in t.peer_cidrs),
        ),
    )
    _, found = judged(site, half)
    assert "would no longer carry the connection to paris" in found.deferrals[0].reason


def test_a_network_that_is_taken_out_beside_our_own_way_does_not_cut_it() -> None:
    """What is destroyed for the traffic of one network goes on for that of the others."""
    site = site_of(1)
    more = {"paris": ("10.111.0.0/24",), "tokyo": ()}
    far = {"paris": "tokyo", "tokyo": "paris"}
    wide = each(
        site.fabric,
        lambda t: replace(
            t,
            local_cidrs=(*t.local_cidrs, *more[t.router]),
            peer_cidrs=(*t.peer_cidrs, *more[far[t.router]]),
        ),
    )
    assert_converged(site.apply(wide))
    site.connect("paris").host.management = ("10.101.0.1", "10.102.0.7")  # type: ignore[attr-defined]
    before, found = judged(site, site.fabric)
    assert "destroys" in {change.disruption for change in before.plan.changes}
    assert not found.deferrals
    # It waits for a window as what is destroyed as a whole does.
    closed = replace(site.fabric, safety=SafetyPolicy(windows=CLOSED))
    assert waiting(judged(site, closed)[1]) == {0}
