"""What probes have shown last, and what runs have changed last, of each connection."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.history.kept import Kept
from reconciler.history.store import History
from reconciler.model.condition import Carriage, LastChange, State
from reconciler.report.json.carriage import carriage_object, read_carriage

NOW = datetime(2026, 11, 26, 16, 20, 8, 113201, tzinfo=UTC)
UNKNOWN = Carriage("a", "paris", "a", State.UNKNOWN, "it was not probed yet", NOW, NOW, 60)
SILENT = replace(
    UNKNOWN, state=State.SILENT, proven=NOW, target="10.2.0.1", loss=0.25, rtt=0.0123, baseline=0.01
)
CHANGE = LastChange(NOW, "c0ffee" * 7, "Ann \ud800 Other")


@pytest.mark.parametrize("carriage", [UNKNOWN, SILENT])
def test_it_is_read_as_it_was_written(carriage: Carriage) -> None:
    assert read_carriage(json.dumps(carriage_object(carriage))) == carriage


CHANGED = json.dumps(carriage_object(SILENT)).replace("up, carrying", "up, carring")


@pytest.mark.parametrize("text", ["", "[]", "{}", CHANGED, "[" * 9999])
def test_what_another_version_wrote_is_left_out(text: str) -> None:
    assert read_carriage(text) is None


def test_the_last_of_each_connection_is_kept_over_a_damaged_file(tmp_path: Path) -> None:
    history = Kept(tmp_path / "history.db")
    history.carry([UNKNOWN, replace(UNKNOWN, connection="b")])
    history.carry([SILENT])
    history.keep_last_changes({"a": CHANGE, "b": CHANGE})
    (tmp_path / "history.db").write_bytes(b"no database" * 1000)
    assert history.carriages() == {"a": SILENT, "b": replace(UNKNOWN, connection="b")}
    found = History(tmp_path / "history.db").last_changes()
    assert (found["a"].at, found["a"].commit) == (NOW, CHANGE.commit)
    assert found["a"].author.startswith("Ann ")
    history.keep_connections(["b", "c"])
    assert (set(history.carriages()), set(history.last_changes())) == ({"b"}, {"b"})


def test_a_time_that_is_none_costs_its_row_alone(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    history.keep_last_changes({"a": CHANGE, "b": CHANGE})
    with sqlite3.connect(tmp_path / "history.db") as connection:
        connection.execute("UPDATE last_changes SET at = 'soon' WHERE connection = 'a'")
    connection.close()
    assert set(history.last_changes()) == {"b"}


def test_a_file_of_the_version_before_gets_the_tables(tmp_path: Path) -> None:
    History(tmp_path / "history.db").set_good("0" * 40)
    with sqlite3.connect(tmp_path / "history.db") as connection:
        connection.execute("DROP TABLE carriages")
        connection.execute("DROP TABLE last_changes")
    connection.close()
    history = History(tmp_path / "history.db")
    assert (history.carriages(), history.last_changes(), history.good()) == ({}, {}, "0" * 40)
