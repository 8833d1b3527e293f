"""Bringing many tunnels to rest is bounded by one time for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.apply import settle as module
from reconciler.facets.sas.agreement import Doomed
from reconciler.model.bounds import CLEAR_SECONDS, SETTLE_SECONDS, STUCK_SECONDS
from reconciler.model.errors import CommandRejected
from reconciler.model.operation import Establish, PairEnd, Scope
from reconciler.routers.fleet import Errands, Fleet
from reconciler.routers.protocol import Router
from tests.contract.sites import change_tunnels, memory_site
from tests.memory import MemoryRouter, Network
from tests.odd import OddRouter, Twist

TOOK = 4.0
"""Seconds that each change takes."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes only where something takes some."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    return now


def busy(clock: list[float], asked: Counter[str]) -> Callable[[str], Router]:
    """A router that needs long for each change, and refuses it."""

    def takes(command: str, *, fails: bool) -> Twist:
        def twist(true: Callable[[], Any]) -> Any:
            asked[command] += 1
            if not fails:
                return true()
            clock[0] += TOOK
            raise CommandRejected("no answer")

        return twist

    twists = {
        "initiate": takes("initiate", fails=True),
        "terminate": takes("terminate", fails=True),
        "list-sas": takes("list-sas", fails=False),
    }
    return lambda name: OddRouter(MemoryRouter(name, Network()), twists)


def test_tunnels_for_which_there_is_no_time_are_left_with_the_reason(clock: list[float]) -> None:
    asked = Counter[str]()
    wanted = [("paris", Establish(f"tw-{number}", ("net",), Scope.FIRST)) for number in range(20)]
    with Fleet(busy(clock, asked), 1).kept() as fleet:
        reasons = module.settle(fleet, wanted, ())
    assert asked["initiate"] == 3, "the third one ends after the time for all of them"
    assert asked["list-sas"] == 2, "once for each look, whatever the number of tunnels"
    assert reasons[:3] == ["no answer"] * 3
    assert set(reasons[3:]) == {f"no CHILD_SA that both ends hold within {SETTLE_SECONDS:g} s"}


def test_what_there_is_no_time_to_close_is_left(clock: list[float]) -> None:
    asked = Counter[str]()
    numbers = tuple(map(str, range(20)))
    with Fleet(busy(clock, asked), 1).kept() as fleet, Errands(fleet, 60) as errands:
        module._close(errands, "paris", Doomed(numbers, numbers), lambda: SETTLE_SECONDS - clock[0])
    assert asked["terminate"] == 3


@pytest.mark.parametrize("version", [1, 2])
def test_an_ike_sa_that_is_stuck_is_closed_before_a_switch(
    clock: list[float], tmp_path: Path, version: int
) -> None:
    """With IKEv1 nothing comes up in it: what the peer could not read is sent again for minutes."""
    site = memory_site(tmp_path)
    site.apply(change_tunnels(site.fabric, ike__version=version))
    ended = []

    def stuck(tasks: Mapping[str, object]) -> Twist:
        def listed(true: Callable[[], Any]) -> Any:
            return [
                {name: {**sa, **tasks, "initiator-spi": "1", "responder-spi": "2"}}
                for event in true()
                for name, sa in event.items()
            ]

        return listed

    def ends(true: Callable[[], Any]) -> Any:
        ended.append(clock[0])
        return true()

    def connect(name: str) -> Router:
        tasks = {"tasks-queued": ["QUICK_MODE"]} if name == "paris" else {}
        return OddRouter(site.connect(name), {"list-sas": stuck(tasks), "terminate": ends})

    item = Establish("tw-paris-tokyo", ("net",), Scope.CHILD, other_end=PairEnd("tokyo", "tw-tokyo-paris"))
    with Fleet(connect).kept() as fleet:
        module.clear(fleet, [("paris", item)], ())
    assert [seconds >= STUCK_SECONDS for seconds in ended] == [True] * (version == 1)
    assert len(site.connect("paris").vici.sas) == (version == 2)  # type: ignore[attr-defined]
    assert clock[0] >= CLEAR_SECONDS


@pytest.mark.parametrize("command", ["list-sas", "initiate"])
def test_a_router_that_is_slow_ends_no_other_settling(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers once the tunnel of the others has come up, or after all the time that there is."""
    seconds = 3.0
    monkeypatch.setattr(module, "SETTLE_SECONDS", seconds)
    monkeypatch.setattr(module, "SETTLE_TURN_SECONDS", 0.1)
    site = memory_site(tmp_path)
    site.apply()
    list(site.connect("paris").vici.stream("terminate", "control-log", {"ike": "tw-paris-tokyo"}))
    up = Event()

    def slow(true: Callable[[], Any]) -> Any:
        assert up.wait(2 * seconds)
        return true()

    def comes_up(true: Callable[[], Any]) -> Any:
        answered = list(true())
        up.set()
        return answered

    def connect(name: str) -> Router:
        if name == "rome":
            return OddRouter(MemoryRouter(name, Network()), {command: slow})
        return OddRouter(site.connect(name), {"initiate": comes_up})

    wanted = [
        ("rome", Establish("tw-rome", ("net",), Scope.FIRST)),
        (
            "paris",
            Establish("tw-paris-tokyo", ("net",), Scope.FIRST, other_end=PairEnd("tokyo", "tw-tokyo-paris")),
        ),
    ]
    with Fleet(connect).kept() as fleet:
        slow_one, other = module.settle(fleet, wanted, ())
    assert other == ""
    assert "CHILD_SA config 'net' not found" in slow_one, "what it said in the end is reported"
