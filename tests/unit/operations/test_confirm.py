"""What has to be true for a change to stay."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.errors import Locked, RouterUnreachable
from reconciler.model.operation import Establish
from reconciler.model.outcome import Check, Status
from reconciler.model.plan import Phase
from reconciler.model.way_back import Arming
from reconciler.operations.apply import Applied, apply
from reconciler.operations.confirm import conclude, doubts
from reconciler.operations.observed_plan import ObservedPlan, framed
from reconciler.routers.fleet import Fleet
from tests.contract.sites import Site, change_tunnels, memory_site
from tests.odd import OddRouter, Twists, fails

ARMING = Arming("0" * 16, "me@here", "d" * 64, "", 300)
BAD = Check("paris-tokyo: traffic", False, "nothing came back")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return memory_site(tmp_path)


def applied(site: Site, *, managed: bool = True) -> tuple[ObservedPlan, Applied]:
    """A first tunnel, whose other end is managed or not."""
    fabric = site.fabric if managed else change_tunnels(site.fabric, other_end=None)
    before = framed(site.preview(fabric), ARMING)
    return before, apply(before, site.fleet, timeout=0.1)


def failing(done: Applied, kind: type, **fields: Any) -> Applied:
    """The same, with the first step of a kind failed."""
    index = next(i for i, o in enumerate(done.outcomes) if isinstance(o.step.operation, kind))
    outcome = replace(done.outcomes[index], status=Status.FAILED, message="it refuses", **fields)
    return replace(done, outcomes=(*done.outcomes[:index], outcome, *done.outcomes[index + 1 :]))


def odd(site: Site, **twists: Twists) -> Fleet:
    return Fleet(lambda name: OddRouter(site.connect(name), twists.get(name, {})))


def armed(site: Site) -> list[str]:
    states = site.preview().observation.states
    return [name for name, state in states.items() if state.way_back.armed is not None]


def test_what_proves_good_is_confirmed(site: Site) -> None:
    before, done = applied(site)
    found = conclude(before, done, {}, site.fleet, lost={}, elapsed=1)
    assert found is not None
    assert (found.stays, found.begun, armed(site)) == (True, True, [])


def test_nothing_is_concluded_where_nothing_had_to_be_confirmed(site: Site) -> None:
    before = site.preview()
    assert conclude(before, apply(before, site.fleet), {}, site.fleet, lost={}, elapsed=1) is None


def test_too_late_is_not_confirmed(site: Site) -> None:
    """One router might be confirmed in its last second, and the other one have gone back."""
    before, done = applied(site)
    found = conclude(before, done, {}, site.fleet, lost={}, elapsed=298)
    assert found is not None
    assert found.doubts == ("applying and proving it took 298 s",)
    assert (found.back, armed(site)) == (True, [])
    assert site.preview().observation.states["paris"].files == {}


def test_a_lost_lock_is_a_doubt(site: Site) -> None:
    before, done = applied(site)
    lost = {"paris": Locked("you@there", router="paris")}
    assert list(doubts(before, done, {}, lost)) == [
        "paris: its lock was lost: you@there is changing this router"
    ]


def test_a_failed_step_is_a_doubt(site: Site) -> None:
    before, done = applied(site)
    [found] = doubts(before, failing(done, Establish), {}, {})
    assert found.endswith(": it refuses")


@pytest.mark.parametrize("managed", [True, False])
def test_a_new_tunnel_waits_for_a_peer_that_is_not_ours_alone(site: Site, managed: bool) -> None:
    before, done = applied(site, managed=managed)
    found = list(doubts(before, failing(done, Establish), {"paris-tokyo": (BAD,)}, {}))
    assert len(found) == (2 if managed else 0)


def test_a_tunnel_that_carried_traffic_has_to_go_on(site: Site) -> None:
    fabric = change_tunnels(site.fabric, other_end=None)
    site.apply(fabric)
    before = framed(site.preview(change_tunnels(fabric, esp__integrity="sha512")), ARMING)
    done = apply(before, site.fleet, timeout=0.1)
    assert list(doubts(before, done, {"paris-tokyo": (BAD,)}, {})) == [
        "paris-tokyo: traffic: nothing came back"
    ]


def test_a_new_key_waits_for_the_peer_as_well(site: Site) -> None:
    before, done = applied(site)
    assert not list(doubts(before, failing(done, Establish, restored=True), {}, {}))


def test_an_unrelated_tunnel_that_was_touched_is_a_doubt(site: Site) -> None:
    before, done = applied(site)
    assert list(doubts(before, replace(done, checks=(BAD,)), {}, {}))


def test_after_a_stop_its_last_steps_were_not_attempted(site: Site) -> None:
    """So the run says that it was stopped, not that it failed."""
    before = framed(site.preview(), ARMING)
    done = apply(before, site.fleet, stopping=lambda: True)
    assert done.stopped
    found = conclude(before, done, {}, site.fleet, lost={}, elapsed=1)
    assert found is not None
    assert {outcome.status for outcome in found.outcomes} == {Status.NOT_ATTEMPTED}
    assert armed(site) == []


def test_nothing_is_attempted_once_the_routers_are_about_to_go_back(site: Site) -> None:
    """The rest would be changed behind their backs. What was done is reported, and they go back at once."""
    before = framed(site.preview(), replace(ARMING, seconds=4))

    def slow(true: Callable[[], Any]) -> Any:
        true()
        time.sleep(1.1)

    done = apply(before, odd(site, tokyo={"change_firewall": slow}), timeout=0.1)
    statuses = {
        outcome.step.phase: outcome.status for outcome in done.outcomes if outcome.step.router == "tokyo"
    }
    assert (statuses[Phase.ARM], statuses[Phase.GUARD]) == (Status.DONE, Status.NOT_ATTEMPTED)
    assert {outcome.message for outcome in done.undone} == {
        "the time to confirm the change is over, and the routers go back"
    }
    assert (done.late, done.stopped) == (True, False)
    assert site.connect("tokyo").host.table is not None  # type: ignore[attr-defined]
    assert not site.connect("tokyo").vici.connections  # type: ignore[attr-defined]
    found = conclude(before, done, {}, site.fleet, lost={}, elapsed=1.1)
    assert found is not None
    assert (found.begun, found.back, armed(site)) == (True, True, [])
    assert site.connect("tokyo").host.table is None  # type: ignore[attr-defined]


def test_where_nothing_was_attempted_the_routers_are_only_disarmed(site: Site) -> None:
    before = framed(site.preview(), ARMING)
    done = apply(
        before, site.fleet, lost={name: Locked("you@there", router=name) for name in armed_by(before)}
    )
    found = conclude(before, done, {}, site.fleet, lost={}, elapsed=1)
    assert found is not None
    assert (found.begun, found.back, armed(site)) == (False, True, [])
    assert not [state for state in site.preview().observation.states.values() if state.way_back.back]


def armed_by(before: ObservedPlan) -> list[str]:
    return [step.router for step in before.plan.arming]


def test_what_a_router_could_not_restore_is_said(site: Site) -> None:
    before, done = applied(site)
    site.connect("tokyo").host.unrestored = ("VIPs: no such device",)  # type: ignore[attr-defined]
    found = conclude(before, failing(done, Establish), {}, site.fleet, lost={}, elapsed=1)
    assert found is not None
    assert [outcome.message.partition(":")[0] for outcome in found.outcomes] == [
        "it went back",
        "it went back, except for VIPs",
    ]
    assert (found.back, found.unrestored) == (False, ("tokyo: VIPs: no such device",))


@pytest.mark.parametrize("gone", [False, True])
def test_a_router_that_does_not_say_whether_it_is_confirmed_proves_nothing(site: Site, gone: bool) -> None:
    """Unless another one has gone back."""
    before, done = applied(site)
    if gone:
        site.connect("paris").host.go_back(ARMING.id)
    fleet = odd(site, tokyo={"confirm": fails(RouterUnreachable("no route", router="tokyo"))})
    found = conclude(before, done, {}, fleet, lost={}, elapsed=296.9)
    assert found is not None
    assert (found.stays, found.unsure) == (False, not gone)
