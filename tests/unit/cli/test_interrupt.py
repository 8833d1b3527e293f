"""Ctrl-C, or a CI job that is cancelled, in the middle of an apply: what was done, and what comes next."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.model.errors import ExitCode
from tests.memory.charon import Charon
from tests.memory.host import MemoryHost
from tests.unit.cli.stage import Stage

Arrange = Callable[..., None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Arrange:
    """Send this process signals at the first call of a method of a router, or at its first such command."""

    def arrange(kind: type, name: str, numbers: list[signal.Signals], command: str = "") -> None:
        as_before = getattr(kind, name)

        def called(self: Any, *arguments: Any, **options: Any) -> Any:
            while numbers and (not command or command == arguments[0]):
                signal.raise_signal(numbers.pop())
            return as_before(self, *arguments, **options)

        monkeypatch.setattr(kind, name, called)

    return arrange


def assert_the_next_apply_does_the_rest(stage: Stage) -> None:
    assert stage.apply()[0] == ExitCode.OK
    assert "No changes." in stage.run("plan")[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_before_a_tunnel_is_half_changed_nothing_more_is_attempted(
    stage: Stage, at: Arrange, number: signal.Signals
) -> None:
    stage.both("dh-group14", "dh-group15")
    at(MemoryHost, "write_files", [number])
    code, shown = stage.apply()
    assert code == ExitCode.INTERRUPTED
    assert "stopping as soon as no tunnel is half changed" in shown
    assert "not attempted" in shown
    assert "interrupted: 2 of 7 steps were done; the next apply completes the remaining steps" in shown
    assert_the_next_apply_does_the_rest(stage)


def test_a_tunnel_that_is_half_changed_is_carried_through(stage: Stage, at: Arrange) -> None:
    stage.both("dh-group14", "dh-group15")
    at(Charon, "request", [signal.SIGINT], "load-conn")
    code, shown = stage.apply()
    assert code == ExitCode.OK, shown
    assert "Apply complete!" in shown


def test_the_second_one_stops_at_once_and_says_how_far_it_came(stage: Stage, at: Arrange) -> None:
    stage.both("dh-group14", "dh-group15")
    at(Charon, "stream", [signal.SIGINT, signal.SIGTERM], "initiate")
    code, shown = stage.apply()
    assert code == ExitCode.INTERRUPTED
    assert "4 of 7 steps were done; the next apply completes the remaining steps" in shown
    assert shown.endswith("interrupted\n")
    assert_the_next_apply_does_the_rest(stage)


def test_before_anything_is_changed_the_first_one_stops_at_once(stage: Stage, at: Arrange) -> None:
    stage.both("dh-group14", "dh-group15")
    held, handler = stage.live(), signal.getsignal(signal.SIGINT)
    at(MemoryHost, "lock", [signal.SIGINT])
    code, shown = stage.apply()
    assert code == ExitCode.INTERRUPTED
    assert shown.endswith("interrupted\n")
    assert "steps were done" not in shown
    assert stage.live() == held
    assert signal.getsignal(signal.SIGINT) is handler
