"""Processes of their own that use one history: they make it once, and set it aside once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from reconciler.history.file import HistoryUnusable, made_by_one
from reconciler.history.kept import Kept
from reconciler.history.store import History
from reconciler.model import bounds
from reconciler.model.record import Result
from tests.unit.history.stored import RUN, garbage

PROCESSES = 6
ROUNDS = 10
CONTEXT = multiprocessing.get_context("fork")


def at_once(work: Callable[[Path, int], None], folder: Path) -> None:
    """Let processes do this with one history after the other, all of them at the same moment."""
    barrier = CONTEXT.Barrier(PROCESSES)
    processes = [CONTEXT.Process(target=_each, args=(work, folder, barrier, n)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * PROCESSES


def _each(work: Callable[[Path, int], None], folder: Path, barrier: Barrier, number: int) -> None:
    for turn in range(ROUNDS):
        barrier.wait(60)
        work(folder / str(turn) / "history.db", number)


def use(path: Path, number: int) -> None:
    history = Kept(path)
    history.add(replace(RUN, result=Result.CHANGED, message=str(number)))
    assert history.is_written, history.complaints()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process gives up on a machine that is busy with other things."""
    monkeypatch.setattr(bounds, "HISTORY_SECONDS", 60.0)


@pytest.mark.usefixtures("patient")
def test_a_history_is_made_once(tmp_path: Path) -> None:
    at_once(use, tmp_path)
    for turn in range(ROUNDS):
        runs = History(tmp_path / str(turn) / "history.db").runs(99)
        assert sorted(run.message for run in runs) == [str(number) for number in range(PROCESSES)]
        assert not list((tmp_path / str(turn)).glob("*damaged*"))


@pytest.mark.usefixtures("patient")
def test_a_damaged_history_is_set_aside_once(tmp_path: Path) -> None:
    for turn in range(ROUNDS):
        (tmp_path / str(turn)).mkdir()
        garbage(tmp_path / str(turn) / "history.db")
    at_once(use, tmp_path)
    for turn in range(ROUNDS):
        runs = History(tmp_path / str(turn) / "history.db").runs(99)
        assert sorted(run.message for run in runs) == [str(number) for number in range(PROCESSES)]
        assert len(list((tmp_path / str(turn)).glob("history.damaged-*.db"))) == 1


def test_who_waits_too_long_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "HISTORY_SECONDS", 0.05)
    path = tmp_path / "history.db"
    with made_by_one(path), CONTEXT.Pool(1) as pool:
        assert "another process is creating it" in pool.apply(_complaints, (path,))
        with pytest.raises(HistoryUnusable, match="another process is creating it"):
            pool.apply(History, (path,))
    assert Kept(path).is_written


def _complaints(path: Path) -> str:
    history = Kept(path)
    history.add(RUN)
    assert not history.is_written
    return " ".join(history.complaints())
