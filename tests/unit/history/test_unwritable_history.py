"""The history's file is locked, gone or replaced: new data is kept in memory until it can be written."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lab.engine import until
from reconciler.history.kept import Kept
from reconciler.history.store import History
from reconciler.model import bounds
from reconciler.model.notification import SentMessages, Topic
from reconciler.model.outcome import Check
from reconciler.model.record import Acceptance, Result
from reconciler.service.metrics import Metrics
from reconciler.service.notifications import new_in
from tests.unit.history.stored import NOW, RUN, garbage, history_of
from tests.unit.service.followed import followed


def test_a_history_that_is_removed_is_begun_anew(tmp_path: Path) -> None:
    site = followed(tmp_path)
    service = site.service()
    service.once()
    shutil.rmtree(site.folder / "state" / "repository.git")
    for path in history_of(site).parent.glob("history.db*"):
        path.unlink()
    service.once()
    assert history_of(site).stat().st_mode & 0o777 == 0o600
    assert [run.result for run in History(history_of(site)).runs(5)] == [Result.IN_SYNC, Result.CHANGED]


def test_a_locked_history_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "HISTORY_SECONDS", 0.05)
    site = followed(tmp_path)
    service = site.service()
    metrics = Metrics(service.dependencies.history)
    service.once()
    other = sqlite3.connect(history_of(site), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
    head = site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
    first = service.once()
    assert first.result is Result.CHANGED, first.message
    assert b"tunnelwright_history_written 0.0" in metrics.expose("")[1]
    second = service.once()
    assert "database is locked; new data is kept in memory" in second.message
    assert service.dependencies.history.good() == head
    other.execute("ROLLBACK")
    other.close()
    third = service.once()
    assert (third.result, third.message) == (Result.IN_SYNC, "")
    assert b"tunnelwright_history_written 1.0" in metrics.expose("")[1]
    kept = History(history_of(site))
    assert kept.good() == head
    assert [run.id for run in kept.runs(9)] == [4, 3, 2, 1]
    assert kept.counts() == service.dependencies.history.counts()
    new, _ = new_in(kept.runs_after(1, 9), frozenset(), frozenset(Topic))
    assert [item.topic for item in new if "history" in item.text] == [Topic.INCOMPLETE, Topic.RECOVERED]


def test_what_came_before_the_file_could_be_read_is_added_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "HISTORY_SECONDS", 0.05)
    path = tmp_path / "history.db"
    before = History(path)
    before.add(RUN)
    before.count({("runs", "changed"): 5})
    before.mark_bad("digest", "b" * 40, "no echo")
    before.set_sent("chat", SentMessages(1))
    before.set_good("b" * 40)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    history = Kept(path)
    assert not history.is_written
    assert history.add(replace(RUN, message="later")) == 1
    history.count({("runs", "changed"): 1})
    history.set_sent("chat", SentMessages(0))
    history.set_good("c" * 40)
    other.execute("ROLLBACK")
    other.close()
    history.settle()
    for found in (history, History(path)):
        assert [(run.id, run.message) for run in found.runs(9)] == [(2, "later"), (1, "why")]
        assert found.counts() == {("runs", "changed"): 6}
        assert found.why_bad("digest") == "no echo"
        assert found.sent("chat") == SentMessages(1), "its numbers are those of the file"
        assert found.good() == "c" * 40


def accepted(history: History) -> dict[str, str]:
    return {one.commit[0]: one.by for one in history.accepted()}


def test_what_others_write_while_the_file_cannot_be_written_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "HISTORY_SECONDS", 0.05)
    path = tmp_path / "history.db"
    history = Kept(path)
    history.mark_bad("forgiven", "b" * 40, "no echo")
    history.mark_bad("stays", "c" * 40, "no echo")
    history.accept(Acceptance("a" * 40, NOW, "who has signed it"))
    history.add(RUN)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    history.add(replace(RUN, message="later"))
    history.mark_bad("new", "d" * 40, "no echo")
    history.accept(Acceptance("e" * 40, NOW, "who has signed the next"))
    assert not history.is_written
    other.execute("ROLLBACK")
    other.close()
    operator = History(path)
    operator.forgive("bbbb")
    operator.accept(Acceptance("a" * 40, NOW, "an operator"))
    operator.accept(Acceptance("f" * 40, NOW, "an operator"))
    history.settle()
    assert history.complaints() == []
    for found in (history, History(path), history._memory):
        assert [bool(found.why_bad(digest)) for digest in ("forgiven", "stays", "new")] == [False, True, True]
        assert accepted(found) == {
            "a": "an operator",
            "e": "who has signed the next",
            "f": "an operator",
        }
        assert [run.message for run in found.runs(9)] == ["later", "why"]


def test_what_others_write_into_the_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = Kept(path)
    history.mark_bad("digest", "b" * 40, "no echo")
    history.add(RUN)
    History(path).forgive("bbbb")
    assert history.why_bad("digest") == ""
    history.add(replace(RUN, message="again"))
    garbage(path)
    assert history.why_bad("digest") == "", "nor does it come back with a new file"


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "RECORDS_IN_MEMORY", 10_000)
    (tmp_path / "history.db").mkdir()
    history = Kept(tmp_path / "history.db")
    for number in range(150):
        large = (Check("x", passed=True, evidence="x" * 1_000),)
        assert history.add(replace(RUN, message=str(number), events=large)) == number + 1
    assert not history.is_written
    assert len(history.runs(1_000)) == 9
    assert [run.message for run in history.runs(2)] == ["149", "148"]


def test_what_was_read_while_a_new_file_was_begun_is_read_again(tmp_path: Path) -> None:
    history = Kept(tmp_path / "history.db")
    history.set_sent("a", SentMessages(1))
    reads: list[int] = []

    def work(connection: sqlite3.Connection) -> int:
        reads.append(connection.execute("SELECT count(*) FROM sent").fetchone()[0])
        if len(reads) == 1:
            history._disk = History(tmp_path / "another.db")
        return reads[-1]

    history.read(work)
    assert reads == [1, 0], "the second one is of the file that is used now"


def test_threads_may_use_it_while_its_file_comes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = Kept(path)
    errors: list[BaseException] = []
    stop = threading.Event()

    def work(name: str) -> None:
        try:
            while not stop.is_set():
                history.set_sent(name, SentMessages(1))
                assert history.sent(name) == SentMessages(1)
                history.count({("runs", name): 1})
                history.counts()
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for number in range(30):
        garbage(path)
        history.add(replace(RUN, message=str(number)))
        history.settle()
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not errors

    def is_written() -> bool:
        history.settle()
        return history.is_written

    assert until(is_written, 10)
    assert History(path).counts() == history.counts()
