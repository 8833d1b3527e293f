"""Routers are armed together or not at all, and confirmed as long as there is time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply import way_back
from reconciler.model.errors import AnswerNotUnderstood, CommandRejected, RouterUnreachable
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Plan
from reconciler.model.way_back import Arming
from reconciler.operations.observed_plan import framed
from reconciler.routers.fleet import Fleet
from tests.contract.sites import Site, memory_site
from tests.odd import OddRouter, Twists, fails

ARMING = Arming("0" * 16, "me@here", "d" * 64, "", 300)
SILENT = RouterUnreachable("no route", router="tokyo")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return memory_site(tmp_path)


def plan_of(site: Site) -> Plan:
    return framed(site.preview(), ARMING).plan


def odd(site: Site, **twists: Twists) -> Fleet:
    return Fleet(lambda name: OddRouter(site.connect(name), twists.get(name, {})))


def reported(outcomes: tuple[Outcome, ...]) -> dict[str, tuple[Status, str]]:
    return {outcome.step.router: (outcome.status, outcome.message) for outcome in outcomes}


def armed(site: Site) -> list[str]:
    states = site.preview().observation.states
    return [name for name, state in states.items() if state.way_back.armed is not None]


def test_all_are_armed(site: Site) -> None:
    outcomes = way_back.arm(plan_of(site).arming, site.fleet)
    assert {status for status, _ in reported(outcomes).values()} == {Status.DONE}
    assert armed(site) == ["paris", "tokyo"]


@pytest.mark.parametrize(
    ("error", "said"),
    [(CommandRejected("No space left on device"), "No space left on device"), (SILENT, "no route")],
)
def test_when_one_cannot_be_armed_none_is(site: Site, error: Exception, said: str) -> None:
    outcomes = way_back.arm(plan_of(site).arming, odd(site, tokyo={"arm": fails(error)}))
    assert reported(outcomes) == {
        "paris": (Status.NOT_ATTEMPTED, "disarmed, because tokyo cannot be armed"),
        "tokyo": (Status.FAILED, said),
    }
    assert armed(site) == []


def test_a_router_whose_answer_was_lost_is_disarmed_as_well(site: Site) -> None:
    def lost(true: Callable[[], Any]) -> Any:
        true()
        raise SILENT

    way_back.arm(plan_of(site).arming, odd(site, tokyo={"arm": lost}))
    assert armed(site) == []


def test_a_router_that_can_be_neither_confirmed_nor_disarmed_is_reported(site: Site) -> None:
    twists = {"confirm": fails(RouterUnreachable("gone", router="paris"))}
    fleet = odd(site, paris=twists, tokyo={"arm": fails(SILENT)})
    found = reported(way_back.arm(plan_of(site).arming, fleet))
    assert found["paris"][1] == "still armed: it goes back to what it is, because tokyo cannot be armed"


def test_who_does_not_answer_is_asked_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way_back, "_PAUSE", 0.0)
    plan = plan_of(site)
    way_back.arm(plan.arming, site.fleet)
    tries: list[str] = []

    def twice(true: Callable[[], Any]) -> Any:
        tries.append("tokyo")
        if len(tries) < 3:
            raise SILENT
        return true()

    outcomes = way_back.confirm(plan.confirming, ARMING.id, odd(site, tokyo={"confirm": twice}), 60)
    assert {status for status, _ in reported(outcomes.outcomes).values()} == {Status.DONE}
    assert len(tries) == 3
    assert not outcomes.silent
    assert armed(site) == []


@pytest.mark.parametrize("error", [SILENT, AnswerNotUnderstood("12 bytes", where="confirm")])
def test_a_lost_answer_does_not_undo_what_was_confirmed(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(way_back, "_PAUSE", 0.0)
    plan = plan_of(site)
    way_back.arm(plan.arming, site.fleet)
    tries: list[str] = []

    def lost(true: Callable[[], Any]) -> Any:
        true()
        tries.append("tokyo")
        if len(tries) == 1:
            raise error

    found = way_back.confirm(plan.confirming, ARMING.id, odd(site, tokyo={"confirm": lost}), 60)
    assert {status for status, _ in reported(found.outcomes).values()} == {Status.DONE}
    assert len(tries) == 2


def test_who_does_not_answer_in_time_goes_back_by_itself(site: Site) -> None:
    plan = plan_of(site)
    way_back.arm(plan.arming, site.fleet)
    outcomes = way_back.confirm(plan.confirming, ARMING.id, odd(site, tokyo={"confirm": fails(SILENT)}), 0)
    assert reported(outcomes.outcomes) == {"paris": (Status.DONE, ""), "tokyo": (Status.FAILED, "no route")}
    assert outcomes.silent == {"tokyo"}
    assert armed(site) == ["tokyo"]


def test_who_has_gone_back_is_not_asked_again(site: Site) -> None:
    plan = plan_of(site)
    way_back.arm(plan.arming, site.fleet)
    way_back.go_back({"tokyo": ARMING.id}, site.fleet)
    outcomes = way_back.confirm(plan.confirming, ARMING.id, site.fleet, 60)
    assert reported(outcomes.outcomes)["tokyo"] == (Status.FAILED, "it had gone back before")
    assert not outcomes.silent


def test_no_router_goes_back_from_the_arming_of_another_apply(site: Site) -> None:
    way_back.arm(plan_of(site).arming, site.fleet)
    assert way_back.go_back(dict.fromkeys(("paris", "tokyo"), "1" * 16), site.fleet) == {
        "paris": None,
        "tokyo": None,
    }
    assert armed(site) == ["paris", "tokyo"]
