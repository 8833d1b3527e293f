"""What is refused, what waits and what goes on, over routers in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.apply import establish
from reconciler.apply.phases import apply_plan
from reconciler.facets.firewall_listing import decode
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.plan import Disruption
from reconciler.model.router_config import Pair
from reconciler.model.safety import SafetyPolicy, Window
from reconciler.operations.apply import Applied, apply
from reconciler.operations.preview import Preview, narrowed
from reconciler.policy import Judgement, Override, judge
from tests.contract.sites import Site, memory_site
from tests.converged import assert_converged
from tests.fabrics import many_tunnels, number_of

NOW = datetime(2026, 5, 9, 12, 0, tzinfo=UTC)
CLOSED = (Window("allow", "0 2 * * *", 3600, "UTC"),)
NIGHT = NOW.replace(hour=2)


@pytest.fixture(autouse=True, scope="module")
def no_overlap() -> Iterator[None]:
    """In memory nothing is ever on its way."""
    before, establish.OVERLAP = establish.OVERLAP, 0.0
    yield
    establish.OVERLAP = before


def site_of(count: int, **fields: object) -> Site:
    """Routers that hold `count` tunnels, with both ends as `fields` say."""
    site = memory_site(Path(tempfile.mkdtemp()))
    fabric = each(many_tunnels(count), lambda tunnel: replace(tunnel, **fields))
    assert_converged(site.apply(fabric))
    return replace(site, fabric=fabric)


def each(fabric: Fabric, change: object) -> Fabric:
    assert callable(change)
    return replace(fabric, tunnels={name: change(tunnel) for name, tunnel in fabric.tunnels.items()})


def reconnecting(fabric: Fabric, numbers: set[int]) -> Fabric:
    """What interrupts and leaves the selectors alone."""

    def change(tunnel: Tunnel) -> Tunnel:
        return replace(tunnel, reconnect="now") if number_of(tunnel.name) in numbers else tunnel

    return each(fabric, change)


def renewing(fabric: Fabric, numbers: set[int]) -> Fabric:
    """What interrupts nothing."""

    def change(tunnel: Tunnel) -> Tunnel:
        esp = replace(tunnel.esp, integrity="sha512")
        return replace(tunnel, esp=esp) if number_of(tunnel.name) in numbers else tunnel

    return each(fabric, change)


def without(fabric: Fabric, numbers: set[int]) -> Fabric:
    kept = {name: t for name, t in fabric.tunnels.items() if number_of(name) not in numbers}
    return replace(fabric, tunnels=kept)


def judged(
    site: Site, fabric: Fabric, *overrides: Override, now: datetime = NOW
) -> tuple[Preview, Judgement]:
    before = site.preview(fabric)
    found = judge(before.plan, fabric, before.observation.states, now, frozenset(overrides))
    return before, found


def apply_allowed(site: Site, before: Preview, judgement: Judgement) -> Applied:
    return apply(narrowed(before, judgement.allows), site.fleet, timeout=1)


def guarded(site: Site) -> dict[str, frozenset[Pair]]:
    tables = {name: decode(site.connect(name).host.snapshot([]).firewall) for name in ("paris", "tokyo")}
    return {name: table.guarded for name, table in tables.items() if table is not None}


def protected(judgement: Judgement) -> set[str]:
    """The ends that stay because their files say so."""
    assert not judgement.refusals
    found = [item for item in judgement.deferrals if "protected from deletion" in item.reason]
    assert all(item.override is None for item in found)
    return {resource.name for item in found for resource in item.resources}


def waiting(judgement: Judgement) -> set[int]:
    return {number_of(resource.name) for resource in judgement.deferred}


def test_what_interrupts_waits_for_the_window_and_the_rest_goes_on() -> None:
    site = site_of(3)
    wanted = renewing(reconnecting(site.fabric, {1}), {2})
    wanted = replace(wanted, safety=SafetyPolicy(windows=CLOSED))
    before, found = judged(site, wanted)
    assert {str(resource) for resource in found.deferred} == {
        "paris/tunnel/paris-001",
        "tokyo/tunnel/tokyo-001",
    }
    [deferral] = found.deferrals
    assert deferral.until == NOW.replace(day=10, hour=2)
    assert_converged(apply_allowed(site, before, found))
    left, again = judged(site, wanted)
    assert {change.resource for change in left.plan.changes} == set(again.deferred) == set(found.deferred)
    assert not judged(site, wanted, now=NIGHT)[1].deferrals
    before, found = judged(site, wanted, Override.WINDOWS)
    assert not found.deferrals
    assert [item.override for item in found.overridden] == [Override.WINDOWS]
    assert_converged(apply_allowed(site, before, found))
    assert site.preview(wanted).plan.empty


def test_both_ends_of_a_tunnel_that_git_has_no_more_are_one() -> None:
    site = site_of(3)
    wanted = replace(without(site.fabric, {0, 2}), safety=SafetyPolicy(max_interrupted=1))
    before, found = judged(site, wanted)
    assert waiting(found) == {2}
    assert len(found.deferred) == 2
    assert_converged(apply_allowed(site, before, found))
    before, found = judged(site, wanted)
    assert not found.deferrals
    assert_converged(apply_allowed(site, before, found))
    assert site.preview(wanted).plan.empty


def test_a_tunnel_that_waits_keeps_its_guards_when_others_change() -> None:
    """It moves and shrinks; its new selectors would push its old ones aside in the table."""
    site = site_of(2)

    def moved(tunnel: Tunnel) -> Tunnel:
        if number_of(tunnel.name) == 1:
            return tunnel
        changed = replace(
            tunnel,
            local_cidrs=tuple(cidr.replace("/24", "/25") for cidr in tunnel.local_cidrs),
            peer_cidrs=tuple(cidr.replace("/24", "/25") for cidr in tunnel.peer_cidrs),
        )
        if tunnel.router == "tokyo":
            return replace(changed, peer_address="203.0.113.99")
        return replace(changed, vip=replace(tunnel.vip, address="203.0.113.99"))

    wanted = replace(renewing(each(site.fabric, moved), {1}), safety=SafetyPolicy(windows=CLOSED))
    vip = wanted.tunnels["paris-000"].vip
    wanted = replace(wanted, vips={**wanted.vips, vip.name: vip})
    before = guarded(site)
    seen, found = judged(site, wanted)
    assert waiting(found) == {0}
    assert_converged(apply_allowed(site, seen, found))
    assert guarded(site) == before
    assert {str(change.resource) for change in judged(site, wanted)[0].plan.changes} >= {
        "paris/firewall/inet tunnelwright",
        "tokyo/firewall/inet tunnelwright",
    }
    assert not judged(site, wanted, now=NIGHT)[1].deferrals


def test_what_takes_over_from_one_that_waits_waits_with_it() -> None:
    """Renamed without saying so: the old one ends, the new one has its addresses and its traffic."""
    site = site_of(2)
    tunnels = dict(site.fabric.tunnels)
    for name, other in (("paris-000", "tokyo"), ("tokyo-000", "paris")):
        old = tunnels.pop(name)
        new = f"{name.partition('-')[0]}-7"
        tunnels[new] = replace(old, name=new, other_end=f"{other}-7")
    wanted = replace(site.fabric, tunnels=tunnels, safety=SafetyPolicy(windows=CLOSED))
    before, found = judged(site, wanted)
    assert waiting(found) == {0, 7}
    assert narrowed(before, found.allows).plan.empty
    # So does one that takes over the selectors alone, between other addresses.
    moved = {
        name: replace(
            tunnel,
            vip=replace(tunnel.vip, address=tunnel.vip.address[:-1] + "9"),
            other_end=None,
            peer_address="198.51.100.9",
        )
        if name == "paris-7"
        else tunnel
        for name, tunnel in tunnels.items()
        if name != "tokyo-7"
    }
    assert waiting(judged(site, replace(wanted, tunnels=moved))[1]) == {0, 7}


def test_of_a_redundancy_group_one_at_a_time_and_only_beside_one_that_is_up() -> None:
    site = site_of(3)

    def grouped(tunnel: Tunnel) -> Tunnel:
        # One end says it; it counts for both.
        pair = number_of(tunnel.name) < 2 and tunnel.router == "paris"
        return replace(tunnel, redundancy_group="pair" if pair else "")

    wanted = each(reconnecting(site.fabric, {0, 1, 2}), grouped)
    before, found = judged(site, wanted)
    assert waiting(found) == {1}
    assert found.deferrals[0].reason == "another tunnel of the redundancy group pair is interrupted"
    assert_converged(apply_allowed(site, before, found))
    before, found = judged(site, wanted)
    assert not found.deferrals
    down = replace(
        before.observation.states["paris"],
        sas=tuple(sa for sa in before.observation.states["paris"].sas if sa.connection != "tw-paris-000"),
    )
    states = {**before.observation.states, "paris": down}
    found = judge(before.plan, wanted, states, NOW)
    assert [item.reason for item in found.deferrals] == ["no other tunnel of the redundancy group pair is up"]
    assert not judge(before.plan, wanted, states, NOW, frozenset({Override.BUDGET})).deferrals
    # What a tunnel is to take over from others counts as its own.
    foreign = tuple(
        replace(sa, connection="net-net") if sa.connection == "tw-paris-000" else sa
        for sa in before.observation.states["paris"].sas
    )
    states = {**states, "paris": replace(down, sas=foreign)}
    assert judge(before.plan, wanted, states, NOW).deferrals
    adopting = {"paris-000": replace(wanted.tunnels["paris-000"], adopts="net-net")}
    adopted = replace(wanted, tunnels={**wanted.tunnels, **adopting})
    assert not judge(before.plan, adopted, states, NOW).deferrals


def test_a_large_share_of_deletions_is_refused_from_a_minimum_on() -> None:
    site = site_of(10)
    assert not judged(site, without(site.fabric, {0, 1, 2}))[1].refusals
    _, found = judged(site, without(site.fabric, {0, 1, 2, 3}))
    assert [refusal.reason for refusal in found.refusals] == [
        "4 of the 10 tunnel ends on paris would be destroyed, more than 30%",
        "4 of the 10 tunnel ends on tokyo would be destroyed, more than 30%",
        "8 of the 20 tunnel ends on all routers would be destroyed, more than 30%",
    ]
    disabled = each(site.fabric, lambda t: replace(t, enabled=number_of(t.name) > 3))
    assert len(judged(site, disabled)[1].refusals) == 3
    assert not judged(site, without(site.fabric, {0, 1, 2, 3}), Override.DELETIONS)[1].refusals
    few = replace(without(site.fabric, {0, 1, 2, 3}), safety=SafetyPolicy(deletions_minimum=21))
    assert not judged(site, few)[1].refusals
    none = replace(without(site.fabric, {0}), safety=SafetyPolicy(max_deleted_share=0))
    assert len(judged(site, none)[1].refusals) == 3


def test_protection_outlives_its_document_and_no_option_sets_it_aside() -> None:
    site = site_of(2, protected=True)
    assert site.preview().plan.empty
    for wanted in (
        without(site.fabric, {0}),
        each(site.fabric, lambda t: replace(t, enabled=number_of(t.name) > 0)),
        each(without(site.fabric, {0}), lambda t: replace(t, protected=False)),
    ):
        before, found = judged(site, wanted, *Override)
        assert protected(found) == {"paris-000", "tokyo-000"}
        left = narrowed(before, found.allows).plan.changes
        assert not [change for change in left if number_of(change.resource.name) == 0], "it stays as it is"
        refused = judge(
            before.plan, wanted, before.observation.states, NOW, frozenset(Override), simulated=True
        )
        assert [str(r) for item in refused.refusals for r in item.resources] == [
            "paris/tunnel/paris-000",
            "tokyo/tunnel/tokyo-000",
        ], "where nobody's word is taken, the commit is refused"
    lifted = each(site.fabric, lambda t: replace(t, protected=number_of(t.name) > 0))
    before, found = judged(site, lifted)
    assert not found.refusals
    assert {change.disruption for change in before.plan.changes} == {Disruption.NONE}
    assert {field.path for change in before.plan.changes for field in change.changes} == {
        "deletionProtection"
    }
    assert_converged(apply_allowed(site, before, found))
    assert not judged(site, without(lifted, {0}))[1].deferrals


def test_a_rename_destroys_nothing_and_the_new_name_is_protected() -> None:
    site = site_of(1, protected=True)
    tunnels = {}
    for tunnel in site.fabric.tunnels.values():
        name, other = (f"{part}-9" for part in (tunnel.router, (tunnel.other_end or "").partition("-")[0]))
        tunnels[name] = replace(tunnel, name=name, other_end=other, previous_names=(tunnel.name,))
    wanted = replace(site.fabric, tunnels=tunnels)
    before, found = judged(site, wanted)
    assert not found.refusals
    assert_converged(apply_allowed(site, before, found))
    assert protected(judged(site, replace(wanted, tunnels={}))[1]) == set(tunnels)


def test_a_change_cut_short_leaves_the_protection_in_mind() -> None:
    site = site_of(1, protected=True)
    wanted = renewing(site.fabric, {0})
    plan = site.preview(wanted).plan
    for steps in range(len(plan.steps)):
        ids = {id(step) for step in plan.steps[:steps]}
        part = replace(
            plan,
            changes=tuple(replace(c, steps=tuple(s for s in c.steps if id(s) in ids)) for c in plan.changes),
        )
        apply_plan(part, site.fleet, timeout=0.2)
        assert protected(judged(site, without(site.fabric, {0}))[1]) == {"paris-000", "tokyo-000"}


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (("10.101.0.1", "10.102.0.7"), "what is interrupted carries the connection to paris itself"),
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
    assert f"what is interrupted carries the connection to {there} itself" in found.deferrals[0].reason
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


NUMBERS = st.sets(st.integers(0, 4))


@settings(max_examples=25, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([None, 1, 2]), st.booleans())
def test_what_is_allowed_leaves_exactly_what_was_deferred(
    reconnected: set[int], renewed: set[int], removed: set[int], budget: int | None, closed: bool
) -> None:
    site = site_of(5)
    wanted = without(renewing(reconnecting(site.fabric, reconnected), renewed), removed)
    policy = SafetyPolicy(deletions_minimum=99, max_interrupted=budget, windows=CLOSED if closed else ())
    wanted = replace(wanted, safety=policy)
    before, found = judged(site, wanted)
    turned = replace(
        before.plan,
        changes=tuple(reversed(before.plan.changes)),
    )
    states = dict(reversed(list(before.observation.states.items())))
    assert judge(turned, wanted, states, NOW) == found, "order does not matter"
    numbers = waiting(found)
    # A renewal beside the old SAs is the reconnect, too.
    costly = (reconnected - renewed) | removed
    interrupted = costly - numbers
    assert numbers <= costly
    assert len(found.deferred) == 2 * len(numbers), "never one end alone"
    assert len(interrupted) <= (0 if closed else budget or 5)
    applied = apply_allowed(site, before, found)
    assert_converged(applied)
    left = site.preview(wanted).plan
    tunnels = {change.resource for change in left.changes if change.resource.kind == "tunnel"}
    assert tunnels == set(found.deferred)
    assert_converged(site.apply(wanted))
    assert site.preview(wanted).plan.empty
