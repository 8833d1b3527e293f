"""The order in which an apply does what its plan says, and how far a failure reaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from reconciler.apply.phases import apply_plan
from reconciler.model.errors import CommandRejected, Locked, RouterUnreachable, TunnelwrightError
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Phase
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from tests.contract.sites import Site, memory_site
from tests.odd import OddRouter, Twist, fails

PHASES = {
    "set_sysctls": Phase.HOST,
    "add_address": Phase.HOST,
    "change_firewall": Phase.GUARD,
    "load-shared": Phase.SECRETS,
    "load-conn": Phase.CONNECTIONS,
    "initiate": Phase.SWITCH,
    "write_files": Phase.COMMIT,
}
"""What a router without anything is asked for, by the phase in which it is."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two bare routers in memory."""
    return memory_site(tmp_path)


def recording(site: Site, asked: list[tuple[str, str]]) -> Fleet:
    """The same routers, which write down who is asked for what, in the order of the answers."""
    writing = Lock()

    def twist(name: str, verb: str) -> Twist:
        def record(true: Callable[[], Any]) -> Any:
            answer = true()
            with writing:
                asked.append((name, verb))
            return answer

        return record

    return Fleet(lambda name: OddRouter(site.connect(name), {verb: twist(name, verb) for verb in PHASES}))


def failing(site: Site, router: str, verb: str, error: Exception) -> Fleet:
    """The same routers, one of which fails at one thing."""

    def connect(name: str) -> Router:
        return OddRouter(site.connect(name), {verb: fails(error)} if name == router else {})

    return Fleet(connect)


def statuses(outcomes: tuple[Outcome, ...], router: str) -> dict[Phase, set[Status]]:
    """How the steps of one router ended, by their phase."""
    found: dict[Phase, set[Status]] = {}
    for outcome in outcomes:
        if outcome.step.router == router:
            found.setdefault(outcome.step.phase, set()).add(outcome.status)
    return found


def test_no_router_begins_a_phase_before_all_have_ended_the_one_before(site: Site) -> None:
    asked: list[tuple[str, str]] = []
    ended: list[Outcome] = []
    plan = site.preview().plan
    outcomes = apply_plan(plan, recording(site, asked), timeout=1, progress=ended.append)
    phases = [PHASES[verb] for _, verb in asked]
    assert phases == sorted(phases)
    assert set(phases) == set(PHASES.values())
    for phase in (Phase.SECRETS, Phase.CONNECTIONS, Phase.COMMIT):
        assert {name for name, verb in asked if PHASES[verb] is phase} == {"paris", "tokyo"}
    assert [outcome.step for outcome in outcomes] == list(plan.steps)
    assert sorted(ended, key=lambda o: plan.steps.index(o.step)) == list(outcomes), "each is reported once"
    assert {outcome.status for outcome in outcomes} == {Status.DONE}


def test_one_end_brings_the_tunnel_up(site: Site) -> None:
    asked: list[tuple[str, str]] = []
    plan = site.preview().plan
    apply_plan(plan, recording(site, asked), timeout=1)
    [step] = [step for step in plan.steps if step.phase is Phase.SWITCH]
    assert {name for name, verb in asked if verb == "initiate"} == {step.router}


def test_a_step_that_is_refused_ends_its_tunnel_at_both_ends(site: Site) -> None:
    fleet = failing(site, "tokyo", "load-conn", CommandRejected("no such proposal", router="tokyo"))
    outcomes = apply_plan(site.preview().plan, fleet, timeout=1)
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    assert [(o.step.router, o.step.phase, o.message) for o in failed] == [
        ("tokyo", Phase.CONNECTIONS, "no such proposal")
    ]
    for router in ("paris", "tokyo"):
        ended = statuses(outcomes, router)
        assert ended[Phase.HOST] == ended[Phase.GUARD] == ended[Phase.SECRETS] == {Status.DONE}
        assert ended[Phase.COMMIT] == {Status.NOT_ATTEMPTED}
    reasons = {o.message for o in outcomes if o.status is Status.NOT_ATTEMPTED}
    assert reasons == {"an earlier step of this tunnel failed"}


def test_a_step_of_a_router_as_a_whole_ends_every_tunnel_there(site: Site) -> None:
    fleet = failing(site, "tokyo", "change_firewall", CommandRejected("no nft", router="tokyo"))
    outcomes = apply_plan(site.preview().plan, fleet, timeout=1)
    ended = statuses(outcomes, "tokyo")
    assert Status.FAILED in ended[Phase.GUARD]
    assert ended[Phase.SECRETS] == ended[Phase.CONNECTIONS] == {Status.NOT_ATTEMPTED}
    assert "an earlier step of tokyo failed" in {o.message for o in outcomes}


def test_a_router_that_is_lost_fails_with_all_that_is_left_there(site: Site) -> None:
    fleet = failing(site, "tokyo", "set_sysctls", RouterUnreachable("it went", router="tokyo"))
    outcomes = apply_plan(site.preview().plan, fleet, timeout=0.2)
    here = [outcome for outcome in outcomes if outcome.step.router == "tokyo"]
    assert here[0].status is Status.FAILED
    assert {outcome.status for outcome in here[1:]} == {Status.NOT_ATTEMPTED}
    assert all("it went" in outcome.message for outcome in here)
    assert statuses(outcomes, "paris")[Phase.GUARD] == {Status.DONE}


def test_a_router_whose_lock_another_run_has_taken_is_changed_no_more(site: Site) -> None:
    asked: list[tuple[str, str]] = []
    lost: dict[str, TunnelwrightError] = {}

    def lose(outcome: Outcome) -> None:
        if outcome.step.phase is Phase.SECRETS:
            lost["tokyo"] = Locked("locked by you@there", router="tokyo")

    outcomes = apply_plan(site.preview().plan, recording(site, asked), timeout=0.2, progress=lose, lost=lost)
    assert {PHASES[verb] for name, verb in asked if name == "tokyo"} == {
        Phase.HOST,
        Phase.GUARD,
        Phase.SECRETS,
    }
    left = [o for o in outcomes if o.step.router == "tokyo" and o.step.phase > Phase.SECRETS]
    assert {o.status for o in left} == {Status.NOT_ATTEMPTED}
    assert all("its lock was lost: locked by you@there" in o.message for o in left)
    assert Status.DONE not in statuses(outcomes, "paris")[Phase.COMMIT], "one end alone is not carried on"


def test_guards_stay_where_anything_was_not_done(site: Site) -> None:
    site.apply()
    plan = site.preview(replace(site.fabric, tunnels={})).plan
    fleet = failing(site, "paris", "unload-conn", CommandRejected("not now", router="paris"))
    left = {
        (outcome.status, outcome.message)
        for outcome in apply_plan(plan, fleet, timeout=1)
        if outcome.step.phase is Phase.UNGUARD and outcome.step.router == "paris"
    }
    assert left == {(Status.NOT_ATTEMPTED, "an earlier step of this router failed, so its guards stay")}


def test_who_asks_it_to_stop_in_time_leaves_every_tunnel_as_it_was(site: Site) -> None:
    asked: list[tuple[str, str]] = []
    plan = site.preview().plan
    outcomes = apply_plan(plan, recording(site, asked), timeout=1, stopping=lambda: True)
    assert asked == []
    assert {(o.status, o.message) for o in outcomes} == {(Status.NOT_ATTEMPTED, "the run was asked to stop")}


def test_once_connections_are_loaded_it_is_carried_through(site: Site) -> None:
    asked: list[tuple[str, str]] = []
    plan = site.preview().plan
    outcomes = apply_plan(
        plan,
        recording(site, asked),
        timeout=1,
        stopping=lambda: any(verb == "load-conn" for _, verb in asked),
    )
    assert {outcome.status for outcome in outcomes} == {Status.DONE}
