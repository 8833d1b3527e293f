"""What a history keeps of runs and commits, in a file or in memory."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.history.bounded import bounded
from reconciler.history.kept import Kept
from reconciler.history.store import History
from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import Foreign, Rollback
from reconciler.model.notification import SentMessages
from reconciler.model.outcome import Check
from reconciler.model.way_back import Arming, Blame, Recorded
from reconciler.report.json.events import encode
from tests.unit.history.stored import RUN


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
    assert last in found.events, "what notifications are about comes before what there is much of"
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
CREATE TABLE touched (connection VARCHAR NOT NULL, at VARCHAR NOT NULL, "commit" VARCHAR NOT NULL,
    author VARCHAR NOT NULL, PRIMARY KEY (connection));
CREATE TABLE happened (tunnel VARCHAR NOT NULL, at VARCHAR NOT NULL, router VARCHAR NOT NULL,
    child VARCHAR NOT NULL, change VARCHAR NOT NULL, object VARCHAR NOT NULL,
    PRIMARY KEY (tunnel, at, router, child, change));
CREATE TABLE carried (connection VARCHAR NOT NULL, object VARCHAR NOT NULL, PRIMARY KEY (connection));
INSERT INTO told VALUES ('chat', '{"run": 7, "states": []}');
INSERT INTO touched VALUES ('paris-tokyo', '2026-11-26T16:20:08+00:00', 'c0ffee', 'Ann Other');
INSERT INTO counts VALUES ('told_forgotten', '', 3.0), ('runs', 'failed', 2.0);
INSERT INTO happened VALUES ('paris-tokyo', '2026-11-26T16:20:08+00:00', 'paris', 'net', 'down',
    '{"type": "tunnel_event", "at": "2026-11-26T16:20:08+00:00", "router": "paris", "tunnel": "paris-tokyo", '
    || '"change": "down", "child": "net", "detail": "", "seconds": null, "late": false}');
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
    history = Kept(path)
    assert history.is_written, history.complaints()
    assert shapes(path) == shapes(tmp_path / "new.db"), "it got the tables that its version had not"
    # Its rows have the names of this version, in the file and in memory alike.
    for known in (history, History(path)):
        assert known.sent("chat") == SentMessages(7)
        assert known.last_changes()["paris-tokyo"].author == "Ann Other"
        assert [event.router for event in known.tunnel_events("paris-tokyo", 9)] == ["paris"]
        assert known.counts() == {("sent_records_unreadable", ""): 3.0, ("runs", "failed"): 2.0}
    assert [history.add(replace(RUN, message=text)) for text in ("first", "second")] == [1, 2]
    assert [run.message for run in History(path).runs(9)] == ["second", "first"]


def test_a_file_of_an_earlier_version_may_take_the_place_of_one_in_use(tmp_path: Path) -> None:
    """A backup that was put back is not damaged, whatever its tables are called."""
    path = tmp_path / "history.db"
    history = Kept(path)
    with closing(sqlite3.connect(tmp_path / "backup.db")) as connection:
        connection.executescript(OLDER)
    (tmp_path / "backup.db").replace(path)
    assert history.sent("chat") == SentMessages(7)
    assert history.set_aside == 0
    assert [file.name for file in tmp_path.glob("*.damaged-*")] == []


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


def test_any_number_of_runs_may_be_asked_for() -> None:
    history = History(None)
    history.add(RUN)
    assert len(history.runs(10**30)) == 1


def test_only_the_latest_armings_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ARMINGS", 2)
    history = History(None)
    for number in range(3):
        history.open_arming(Arming(f"{number:016}", "me@here", "d" * 64, "c" * 40, 300))
    assert history.arming("0" * 16) is None
    assert history.arming(f"{2:016}") == Recorded("d" * 64, "c" * 40, Blame.OPEN, 2)
    history.close_arming(f"{2:016}", Blame.UNSURE)
    assert history.arming(f"{1:016}") == Recorded("d" * 64, "c" * 40, Blame.NONE, 0)
    assert history.arming(f"{2:016}") == Recorded("d" * 64, "c" * 40, Blame.UNSURE, 0)
