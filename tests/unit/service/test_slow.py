"""A router that uses up its time in a run is left out of the next ones, and asked beside them. The clock of
answers is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from reconciler.model import bounds
from reconciler.model.errors import CommandRejected
from reconciler.model.events import StepEnded
from reconciler.model.record import Result
from reconciler.routers import allowance
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Connect
from reconciler.service.loop import Service
from tests.odd import fails
from tests.slow import Clock, slowly
from tests.unit.service.followed import Followed, followed

LOOK = bounds.ROUTER_OBSERVATION_SECONDS_IN_ALL
QUICK, SLOW = 0.0, 50.0


@dataclass(slots=True)
class Slow:
    """A site of which paris answers slowly, for as long as a test wants."""

    site: Followed
    clock: Clock
    service: Service = field(init=False)
    seconds: Callable[[str], float] = lambda _: SLOW

    def __post_init__(self) -> None:
        """One service, over several runs."""
        self.service = self.site.service()
        self.service.dependencies = replace(self.service.dependencies, fleet_of=lambda _: self.fleet)

    @property
    def connect(self) -> Connect:
        """How its routers are reached."""
        return slowly(self.site.connect, self.clock, {"paris": self._asked})

    @property
    def fleet(self) -> Fleet:
        """The same, as a run works on them."""
        return Fleet(self.connect)

    def _asked(self, operation: str) -> float:
        return self.seconds(operation)

    def takes(self, seconds: float) -> None:
        """Each answer from now on."""
        self.seconds = lambda _: seconds

    def slow_from(self, operation: str) -> None:
        """Slow from the first command of this kind on."""
        began: list[str] = []

        def seconds(asked: str) -> float:
            began.extend([asked] if asked == operation else [])
            return 99.0 if began else 1.0

        self.seconds = seconds

    def ask(self) -> None:
        """What is asked beside the runs."""
        self.service._observe_one("paris", self.fleet)

    @property
    def failures(self) -> int:
        """How often paris was asked in vain; none when it is not absent."""
        absent = self.service.absent
        return absent._failures["paris"] if absent.reason("paris") is not None else 0


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slow:
    clock = Clock()
    monkeypatch.setattr(allowance, "monotonic", clock)
    return Slow(followed(tmp_path), clock)


def test_a_router_that_is_too_slow_holds_up_one_run_and_is_asked_beside_the_next(slow: Slow) -> None:
    first = slow.service.once()
    assert first.result is Result.INCOMPLETE
    assert "paris is unreachable: all its answers together take longer than 120 s" in first.message
    done = {item.step.router for item in first.of(StepEnded)}
    assert done == {"tokyo"}, "the other one is worked on"
    assert slow.clock.now == LOOK
    asked = slow.site.asked.count("paris")

    second = slow.service.once()
    assert second.result is Result.INCOMPLETE
    assert "paris is unreachable: all its answers together take longer than 120 s" in second.message
    assert (slow.clock.now, slow.site.asked.count("paris")) == (LOOK, asked), "it is not asked any more"

    slow.ask()
    assert (slow.clock.now, slow.failures) == (2 * LOOK, 2), "one word of it would have come in time"
    slow.takes(QUICK)
    slow.ask()
    assert slow.failures == 0
    assert slow.service._triggers == type(slow.service._triggers)(["recovered"], maxlen=1)
    assert slow.service.once("recovered").result is Result.CHANGED
    assert slow.service.once().result is Result.IN_SYNC


def test_one_that_is_quick_beside_the_runs_and_slow_in_them_is_asked_ever_more_seldom(slow: Slow) -> None:
    for count in (1, 2, 3):
        slow.takes(SLOW)
        slow.service.once()
        assert slow.failures == count
        slow.takes(QUICK)
        slow.ask()
        assert slow.failures == 0
    slow.service.once()
    slow.takes(SLOW)
    slow.service.once()
    assert slow.failures == 1, "a run had seen it in between"


def test_one_that_is_too_slow_in_an_apply_is_left_out_of_the_next_run_and_converges(slow: Slow) -> None:
    slow.slow_from("load-conn")
    record = slow.service.once()
    assert record.result is Result.INCOMPLETE
    ended = [item for item in record.of(StepEnded) if item.step.router == "paris"]
    assert {item.status for item in ended} == {"done", "failed", "not attempted"}
    assert any("s, the limit for one apply" in item.message for item in ended)
    assert slow.failures == 1
    before = slow.clock.now
    assert before <= LOOK + bounds.ROUTER_APPLY_SECONDS_IN_ALL + bounds.ROUTER_STEP_SECONDS * len(ended)
    slow.service.once()
    assert slow.clock.now == before
    slow.takes(QUICK)
    slow.ask()
    assert slow.service.once("recovered").result is Result.CHANGED
    assert slow.service.once().result is Result.IN_SYNC


def test_going_back_reports_a_router_that_could_not_be_brought_back(slow: Slow) -> None:
    slow.takes(QUICK)
    good = slow.service.once()
    assert good.result is Result.CHANGED, good.message
    for name in ("paris", "tokyo"):
        slow.site.edit(f"{name}-tunnel.yaml", "{pfs: dh-group14}", "{encryption: aes-128}")
    slow.slow_from("initiate")
    record = slow.service.once()
    assert record.result is Result.INCOMPLETE, record.message
    back = f"the rollback to {good.head[:12]} is incomplete: paris is unreachable"
    assert back in record.message
    slow.takes(QUICK)
    slow.ask()
    assert slow.service.once("recovered").in_force == good.head
    slow.service.once("retry")
    sas = slow.site.routers["paris"].vici.sas
    assert {child.proposal for sa in sas for child in sa.children} == {"aes256-sha256-modp2048"}


def test_one_that_falls_silent_in_the_middle_of_a_look_is_asked_beside_the_runs(slow: Slow) -> None:
    """A charon that hangs still takes connections."""
    slow.takes(QUICK)
    slow.site.routers["paris"].power(on=False)
    assert slow.service.once().result is Result.INCOMPLETE
    assert slow.failures == 1
    slow.ask()
    assert slow.failures == 2
    slow.site.routers["paris"].power(on=True)
    slow.ask()
    assert slow.service.once("recovered").result is Result.CHANGED


def test_one_that_answers_and_refuses_is_asked_in_every_run(slow: Slow) -> None:
    slow.takes(QUICK)
    slow.site.twists = {"paris": {"stats": fails(CommandRejected("no", router="paris"))}}
    assert slow.service.once().result is Result.INCOMPLETE
    assert slow.failures == 0
