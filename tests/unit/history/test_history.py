"""The history's file is damaged, locked, full or gone, under a service with routers in memory."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.engine import until
from reconciler.cli.main import main
from reconciler.history.bounded import bounded
from reconciler.history.file import HistoryDamaged, HistoryUnusable
from reconciler.history.kept import Kept
from reconciler.history.store import History
from reconciler.history.tables import FORMAT
from reconciler.model import bounds
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.events import Foreign, Rollback, Trouble
from reconciler.model.outcome import Check
from reconciler.model.record import Acceptance, Result, RunRecord
from reconciler.report.json.events import encode
from reconciler.service.metrics import Metrics
from reconciler.service.notifications import Topic, new_in
from tests.unit.service.followed import Followed, followed

NOW = datetime(2026, 11, 25, tzinfo=UTC)
RUN = RunRecord(NOW, NOW, "once", "a" * 40, "a" * 40, Result.CHANGED, "why")


Damage = Callable[[Path], None]


def garbage(path: Path) -> None:
    path.write_bytes(b"\x07garbage" * 20_000)


def cut(size: Callable[[int], int]) -> Damage:
    """Only its beginning is left."""

    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: size(len(content))])

    return damage


def changed(*statements: str) -> Damage:
    """It is a database still, and another one."""

    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return damage


DAMAGES = {
    "garbage": garbage,
    "truncated": cut(lambda size: size // 2 + 100),
    "emptied": cut(lambda _: 0),
    "of a newer version": changed(f"PRAGMA user_version = {FORMAT + 1}"),
    "other tables": changed("DROP TABLE runs", "CREATE TABLE runs (other TEXT)"),
    "nonsense inside": changed("UPDATE runs SET objects = '[' , result = 'odd', started = 'never'"),
    "not text": changed("UPDATE runs SET message = CAST(x'fffe80' AS TEXT)"),
    "other values": changed("INSERT INTO counts VALUES ('runs', 'other', 'many')"),
    "no time": changed("INSERT INTO accepted VALUES ('a', 'never', 'x', '', 1)"),
}
UNREAD = {"emptied", "other values", "no time"}
"""What these commands read nothing of, or nothing wrong in."""


def history_of(site: Followed) -> Path:
    return site.folder / "state" / "history.db"


def aside(site: Followed) -> list[Path]:
    return sorted(history_of(site).parent.glob("history.damaged-*.db"))


@pytest.mark.parametrize("name", [name for name in DAMAGES if name != "of a newer version"])
def test_a_service_goes_on_when_its_history_is_damaged_under_it(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = followed(tmp_path)
    service = site.service()
    metrics = Metrics(service.dependencies.history)
    good = service.once().head
    DAMAGES[name](history_of(site))
    bad = site.edit("paris-tunnel.yaml", "203.0.113.12", "203.0.113.999")
    record = service.once()
    # What decisions need was in memory: the last good commit is in force, as if nothing had happened.
    assert (record.head, record.in_force, record.result) == (bad, good, Result.INCOMPLETE), record.message
    assert "is not valid" in record.message
    later = service.once()
    said = [trouble.reason for run in (record, later) for trouble in run.of(Trouble)]
    [moved] = aside(site)
    assert any(f"set aside as {moved}, and a new one was created" in reason for reason in said)
    assert f"set aside as {moved}" in caplog.text
    assert b"tunnelwright_history_set_aside_total 1.0" in metrics.expose("")[1]
    assert b"tunnelwright_history_written 1.0" in metrics.expose("")[1]
    # The new file has what the next process needs, and the runs that are known.
    again = site.service().dependencies.history
    assert (again.good(), again.reached()) == (good, service.dependencies.history.reached())
    assert [run.id for run in again.runs(10)] == sorted((run.id for run in again.runs(10)), reverse=True)
    assert again.runs(10)[-1].result is Result.CHANGED
    assert again.counts() == service.dependencies.history.counts()


@pytest.mark.parametrize("name", DAMAGES)
def test_a_service_begins_with_a_history_that_is_damaged(name: str, tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    DAMAGES[name](history_of(site))
    record = site.once()
    assert record.result is Result.IN_SYNC
    assert site.service().dependencies.history.good() == record.head
    if name != "emptied":  # which is as good as a new one
        assert len(aside(site)) == 1
        assert "set aside" in record.message


@pytest.mark.parametrize("name", [name for name in DAMAGES if name not in UNREAD])
@pytest.mark.parametrize("words", [["history"], ["show", "1"], ["history", "--forgive", "abc"]])
def test_a_damaged_history_is_one_sentence_for_who_asks(
    name: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = followed(tmp_path)
    site.once()
    DAMAGES[name](history_of(site))
    monkeypatch.setenv("TUNNELWRIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TUNNELWRIGHT_REPOSITORY", str(tmp_path / "remote"))
    code = main(words)
    said = capsys.readouterr().err
    assert code == ExitCode.ERROR
    assert said.startswith("error: "), said
    assert said.count("\n") <= 2
    assert history_of(site).exists(), "who asks changes nothing"


def test_only_the_latest_damaged_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    for _ in range(bounds.SET_ASIDE + 3):
        garbage(path)
        history = Kept(path)
        assert history.is_written
    assert len(list(tmp_path.glob("history.damaged-*.db"))) == bounds.SET_ASIDE


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
    news, _ = new_in(kept.runs_after(1, 9), frozenset(), frozenset(Topic))
    assert [item.topic for item in news if "history" in item.text] == [Topic.INCOMPLETE, Topic.RECOVERED]


def test_what_came_before_the_file_could_be_read_is_added_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "HISTORY_SECONDS", 0.05)
    path = tmp_path / "history.db"
    before = History(path)
    before.add(RUN)
    before.count({("runs", "changed"): 5})
    before.mark_bad("digest", "b" * 40, "no echo")
    before.set_sent("chat", {"run": 1})
    before.set_good("b" * 40)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    history = Kept(path)
    assert not history.is_written
    assert history.add(replace(RUN, message="meanwhile")) == 1
    history.count({("runs", "changed"): 1})
    history.set_sent("chat", {"run": 0})
    history.set_good("c" * 40)
    other.execute("ROLLBACK")
    other.close()
    history.settle()
    for found in (history, History(path)):
        assert [(run.id, run.message) for run in found.runs(9)] == [(2, "meanwhile"), (1, "why")]
        assert found.counts() == {("runs", "changed"): 6}
        assert found.why_bad("digest") == "no echo"
        assert found.sent("chat") == {"run": 1}, "its numbers are those of the file"
        assert found.good() == "c" * 40


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


def test_threads_may_use_it_while_its_file_comes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = Kept(path)
    errors: list[BaseException] = []
    stop = threading.Event()

    def work(name: str) -> None:
        try:
            while not stop.is_set():
                history.set_sent(name, {"run": 1})
                assert history.sent(name) == {"run": 1}
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


def test_errors_tell_what_a_file_has_from_what_the_machine_has(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(HistoryUnusable) as raised:
        History(tmp_path / "folder")
    assert not isinstance(raised.value, HistoryDamaged)
    garbage(tmp_path / "history.db")
    with pytest.raises(HistoryDamaged, match="file is not a database"):
        History(tmp_path / "history.db")


def test_a_record_is_bounded_and_says_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "RECORD", 10_000)
    bulk = [Check(str(number), passed=True, evidence="x" * 100) for number in range(1_000)]
    last = Rollback("a", "b", "no echo")
    found = bounded(replace(RUN, events=(*bulk, last), message="m" * 100_000))
    assert len(json.dumps(list(map(encode, found.events)))) < 11_000
    assert encode(found.events[-1]) == {
        "type": "left_out",
        "objects": 1_001 - (len(found.events) - 1),
        "limit": 10_000,
    }
    assert last in found.events, "what others hear of comes before what there is much of"
    assert [int(check.name) for check in found.of(Check)] == list(range(len(found.events) - 2))
    assert len(found.message) < 5_000
    assert bounded(RUN) == RUN


def test_words_that_are_no_text_are_kept(tmp_path: Path) -> None:
    history = Kept(tmp_path / "history.db")
    history.add(
        bounded(replace(RUN, message="a name \udcff", events=(Foreign({"type": "x", "name": "\ud800"}),)))
    )
    [run] = history.runs(1)
    assert run.message == "a name \\xff"


OLDER = """
CREATE TABLE accepted ("commit" VARCHAR NOT NULL, at VARCHAR NOT NULL, "by" VARCHAR NOT NULL,
    instead_of VARCHAR NOT NULL, number INTEGER NOT NULL, PRIMARY KEY ("commit"));
CREATE TABLE bad (digest VARCHAR NOT NULL, "commit" VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    PRIMARY KEY (digest));
CREATE TABLE counts (name VARCHAR NOT NULL, label VARCHAR NOT NULL, value FLOAT NOT NULL,
    PRIMARY KEY (name, label));
CREATE TABLE places (router VARCHAR NOT NULL, "commit" VARCHAR NOT NULL, PRIMARY KEY (router));
CREATE TABLE runs (id INTEGER NOT NULL, started VARCHAR NOT NULL, finished VARCHAR NOT NULL,
    "trigger" VARCHAR NOT NULL, head VARCHAR NOT NULL, in_force VARCHAR NOT NULL, result VARCHAR NOT NULL,
    message VARCHAR NOT NULL, objects VARCHAR NOT NULL, repeats INTEGER NOT NULL, PRIMARY KEY (id));
CREATE TABLE told (listener VARCHAR NOT NULL, what VARCHAR NOT NULL, PRIMARY KEY (listener));
PRAGMA user_version = 1;
"""
"""How the tables of format 1 were made when SQLAlchemy made them."""


def shapes(path: Path) -> dict[str, list[object]]:
    """What SQLite says of each table's columns: order, type, nullability and place in the key."""
    with closing(sqlite3.connect(path)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in names}


def test_a_file_that_is_there_already_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLDER)
    History(tmp_path / "new.db")
    assert shapes(path) == shapes(tmp_path / "new.db")
    history = Kept(path)
    assert history.is_written, history.complaints()
    assert [history.add(replace(RUN, message=text)) for text in ("first", "second")] == [1, 2]
    assert [run.message for run in History(path).runs(9)] == ["second", "first"]


@pytest.mark.parametrize("number", [-1, 0, 2, 10**30])
def test_a_run_that_is_not_there_is_one_sentence(number: int) -> None:
    history = History(None)
    history.add(RUN)
    with pytest.raises(TunnelwrightError, match=f"there is no run {number}") as raised:
        history.run(number)
    assert raised.value.hint == "the latest is 1"


def test_what_cannot_be_written_whole_is_not_written(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    with pytest.raises(UnicodeEncodeError):
        history.set_reached(["paris", "\ud800"], "a" * 40)
    assert history.reached() == {}


def test_a_bad_commit_is_forgiven_by_the_beginning_of_its_hash(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    for letter in "abc":
        history.mark_bad(letter, letter * 40, "no echo")
    for nothing in ("", "%", "_" * 40, "ab", "\udcff"):
        with pytest.raises(TunnelwrightError, match="is marked as bad"):
            history.forgive(nothing)
    history.forgive("BBBB")
    assert [bool(history.why_bad(letter)) for letter in "abc"] == [True, False, True]


@pytest.mark.parametrize(
    "change",
    [
        "finished = 'never'",
        "finished = '0001-01-01T00:00+14:00'",
        "trigger = x'ff'",
        "repeats = 'x'",
        f"id = {2**63 - 1}",
    ],
)
def test_an_older_row_that_cannot_be_read_is_damage(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the latest runs are read when the file is opened."""
    monkeypatch.setattr(bounds, "RUNS_IN_MEMORY", 1)
    path = tmp_path / "history.db"
    for result in (Result.CHANGED, Result.FAILED):
        History(path).add(replace(RUN, result=result))
    changed(f"UPDATE runs SET {change} WHERE id = 1")(path)  # noqa: S608 - the words above
    with pytest.raises(HistoryDamaged):
        History(path).runs(9)
    if change.startswith("finished"):
        history = Kept(path)
        assert history.last([Result.CHANGED]) is None
        assert history.set_aside == 1
        assert history.is_written


def test_as_many_runs_may_be_asked_for_as_anybody_likes() -> None:
    history = History(None)
    history.add(RUN)
    assert len(history.runs(10**30)) == 1


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
    history.add(replace(RUN, message="meanwhile"))
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
        assert [run.message for run in found.runs(9)] == ["meanwhile", "why"]
