"""A controller goes on with a history that another version of it has written."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import main
from reconciler.history.kept import Kept
from reconciler.history.store import History
from reconciler.model.errors import ExitCode
from reconciler.model.events import Drift, Foreign, Rollback, Unreachable
from reconciler.model.notification import Topic
from reconciler.model.record import GOOD, ForeignResult, Result
from reconciler.report.json.events import encode
from reconciler.report.json.run import run_object
from reconciler.report.run_text import run_line, run_lines
from reconciler.service.notifications import new_in
from tests.unit.history.stored import RUN
from tests.unit.report.json.test_events import FORMER
from tests.unit.service.followed import followed

OF_TOMORROW = {"type": "of-tomorrow", "router": "paris", "what": {"nested": [1]}}
"""A type that this version does not know."""
OTHER_FORM = {"type": "drift", "where": "paris"}
"""A type that it knows in another form."""


def history_with(path: Path, *objects: dict[str, Any], result: Result = Result.CHANGED) -> Kept:
    """A history whose only run has recorded these objects, as a row of the file says."""
    History(path).add(replace(RUN, result=result))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE runs SET objects = ?", (json.dumps(objects),))
    connection.commit()
    connection.close()
    return Kept(path)


def test_a_run_of_the_version_before_is_read_shown_and_reported(tmp_path: Path) -> None:
    [run] = history_with(tmp_path / "history.db", *FORMER, result=Result.INCOMPLETE).runs(1)
    assert [encode(event) for event in run.events] == FORMER
    assert not run.of(Foreign)
    text = "\n".join(line.text for line in run_lines(run))
    for words in ("drift: berlin/tunnel/paris-tokyo", "trouble with the repository", "(unobservable)"):
        assert words in text
    found, lasting = new_in([run], frozenset(), frozenset(Topic))
    assert {Topic.ROLLED_BACK, Topic.DOWN, Topic.INCOMPLETE, Topic.DRIFT} <= {item.topic for item in found}
    assert lasting


def test_what_another_version_records_is_kept_and_hides_nothing_else(tmp_path: Path) -> None:
    [run] = history_with(tmp_path / "history.db", OF_TOMORROW, OTHER_FORM, FORMER[-1]).runs(1)
    assert run.events[:2] == (Foreign(OF_TOMORROW), Foreign(OTHER_FORM, Drift))
    assert [encode(event) for event in run.events] == [OF_TOMORROW, OTHER_FORM, FORMER[-1]]
    assert run.of(Unreachable) == []
    with pytest.raises(ValueError, match="run 1 holds a Drift that another version has recorded"):
        run.of(Drift)
    text = [line.text for line in run_lines(run)]
    assert not any("of-tomorrow" in line for line in text)
    assert "  drift: recorded by another version; `--json` shows it" in text


def test_a_service_goes_on_after_rows_of_another_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = followed(tmp_path)
    site.once()
    path = tmp_path / "state" / "history.db"
    connection = sqlite3.connect(path)
    connection.execute("UPDATE runs SET objects = ?", (json.dumps([OF_TOMORROW, OTHER_FORM, *FORMER]),))
    connection.commit()
    connection.close()
    # Of what had drifted at that run nothing is known: no router is asked who was there, and it is repaired.
    site.routers["paris"].host.sysctls.clear()
    record = site.once()
    assert record.result is Result.CHANGED, record.message
    assert not list(path.parent.glob("history.damaged-*"))
    (tmp_path / "reconcile.yaml").write_text(
        f"repository: {tmp_path / 'remote'}\nbranch: main\nstate: {tmp_path / 'state'}\n"
    )
    words = ["--config", str(tmp_path / "reconcile.yaml"), "--json"]
    assert main(["show", "1", *words]) == ExitCode.OK
    _, run, *objects = map(json.loads, capsys.readouterr().out.splitlines())
    assert run["id"] == 1
    assert objects == [OF_TOMORROW, OTHER_FORM, *FORMER]
    assert main(["show", "1", *words[:2]]) == ExitCode.OK
    assert "back from " in capsys.readouterr().out
    assert main(["history", *words]) == ExitCode.OK


def test_a_result_of_another_version_is_kept_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    before = Kept(path)
    before.add(replace(RUN, result=Result.FAILED, message="no plan"))
    before.add(RUN)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET result = 'paused' WHERE id = 2")
    history = Kept(path)
    assert history.set_aside == 0
    assert history.is_written
    paused, failed = history.runs(9)
    assert paused.result == ForeignResult("paused")
    assert failed.result is Result.FAILED
    assert "  paused (recorded by another version): why" in run_line(paused).text
    assert run_object(paused)["result"] == "paused"
    assert history.run(2) == paused
    assert history.last(GOOD) is None
    # Whether it was quiet is not known, so that the next run is no repeat of it.
    assert history.add(replace(paused, id=0, result=Result.IN_SYNC)) == 3
    found, lasting = new_in([failed], frozenset(), frozenset(Topic))
    assert [item.topic for item in found] == [Topic.FAILED]
    assert new_in([paused], lasting, frozenset(Topic)) == ([], lasting), "it may last, or have ended"
    again, _ = new_in([RUN], lasting, frozenset(Topic))
    assert [item.topic for item in again] == [Topic.RECOVERED]


@pytest.mark.parametrize("objects", ["[1]", '[{"no": "type"}]', '[{"type": 7}]', "["])
def test_what_is_no_list_of_objects_with_a_type_is_damage(objects: str, tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    History(path).add(RUN)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE runs SET objects = ?", (objects,))
    connection.commit()
    connection.close()
    history = Kept(path)
    assert history.runs(9) == []
    assert history.add(RUN) == 1
    assert history.set_aside == 1


def test_a_quiet_run_repeats_one_that_the_version_before_has_recorded(tmp_path: Path) -> None:
    quiet = [written for written in FORMER if written["type"] in {"plan_summary", "down", "held", "drift"}]
    history = history_with(tmp_path / "history.db", *quiet, result=Result.HELD)
    [run] = history.runs(1)
    assert history.add(replace(run, id=0, trigger="interval")) == 1
    assert [found.repeats for found in history.runs(9)] == [2]
    assert history.add(replace(run, id=0, events=run.events[1:])) == 2
    rolled_back = replace(run, id=0, events=(Rollback("a", "b", "c"),))
    assert history.add(rolled_back) == 3


NUMBER = "1" + "0" * 400
"""JSON has it, and no float."""


@pytest.mark.parametrize(
    "written",
    [
        '{"type": "outcome", "router": "r", "phase": "host", "group": "", "summary": "s", '
        f'"disruption": "none", "status": "done", "message": "", "seconds": {NUMBER}}}',
        '{"type": "loss", "tunnel": "t", "router": "r", "predicted": "none", "sent": 1, "lost": 0, '
        f'"longest_ms": {NUMBER}}}',
    ],
)
def test_a_number_that_is_too_large_is_of_another_version(written: str, tmp_path: Path) -> None:
    history = history_with(tmp_path / "history.db", json.loads(written))
    [run] = history.runs_after(0, 9)
    assert [encode(event) for event in run.events] == [json.loads(written)]
    assert history.is_written
