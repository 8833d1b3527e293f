"""What waits, and what goes on without it, over routers in memory."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.fabric import Tunnel
from reconciler.model.safety import SafetyPolicy
from reconciler.operations.observed_plan import narrowed
from reconciler.policy import Override, judge
from tests.converged import assert_converged
from tests.fabrics import number_of
from tests.unit.policy.judged import (
    CLOSED,
    NIGHT,
    NOW,
    apply_allowed,
    each,
    guarded,
    judged,
    reconnecting,
    renewing,
    site_of,
    waiting,
    without,
)


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
            # Only a peer that others manage is interrupted by a move.
            other_end=None,
            unmanaged=True,
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
