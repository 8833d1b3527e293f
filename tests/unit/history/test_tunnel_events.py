"""Tunnel events are kept: as much of it as may be, in the file and beside it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.history.kept import Kept
from reconciler.history.store import History
from reconciler.model import bounds
from reconciler.model.events import PlannedChange
from reconciler.model.plan import Action, Disruption, Resource, ResourceKind
from reconciler.model.record import Result, RunRecord
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.report.json.tunnel import read_tunnel_event, tunnel_event
from tests.unit.service.followed import followed

NOW = datetime(2026, 5, 9, 12, 0, tzinfo=UTC)
DOWN = TunnelEvent(NOW, "paris", "paris-tokyo", TunnelChange.DOWN, "net", seconds=11_520)


CHANGED = "of aaaaaaaaaaaa, changed: update paris/tunnel/paris-tokyo: it differs (make-before-break)"


def at(second: int, tunnel: str = "paris-tokyo") -> TunnelEvent:
    change = TunnelChange.UP if second % 2 else TunnelChange.DOWN
    return replace(DOWN, at=NOW + timedelta(seconds=second), tunnel=tunnel, change=change)


def run_of(tunnel: str, minute: int) -> RunRecord:
    resource = Resource("paris", ResourceKind.TUNNEL, tunnel)
    change = PlannedChange(resource, Action.UPDATE, "it differs", Disruption.MAKE_BEFORE_BREAK)
    begun = NOW + timedelta(minutes=minute)
    return RunRecord(begun, begun, "commit", "a" * 40, "a" * 40, Result.CHANGED, "", (change,))


@pytest.mark.parametrize(
    "event",
    [
        DOWN,
        replace(DOWN, change=TunnelChange.UP, seconds=None, late=True),
        replace(DOWN, change=TunnelChange.ALERT, child="", detail="ts-mismatch"),
        replace(DOWN, change=TunnelChange.FAILED, child="", seconds=None),
    ],
)
def test_an_event_is_read_as_it_was_written(event: TunnelEvent) -> None:
    assert read_tunnel_event(json.dumps(tunnel_event(event))) == event


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"at": 1}',
        json.dumps({**tunnel_event(DOWN), "change": "of a later version"}),
        "[" * 10_000,
    ],
)
def test_what_another_version_wrote_is_left_out(text: str) -> None:
    assert read_tunnel_event(text) is None


def test_the_latest_are_kept_of_each_tunnel_and_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "EVENTS_OF_TUNNEL", 5)
    monkeypatch.setattr(bounds, "EVENTS_KEPT", 20)
    history = Kept(tmp_path / "history.db")
    history.add_tunnel_events([at(second, "quiet") for second in (1, 2)])
    for first in (10, 20, 30):
        history.add_tunnel_events([at(second) for second in range(first, first + 10)])
    assert [event.at.second for event in history.tunnel_events("paris-tokyo", 99)] == [39, 38, 37, 36, 35]
    history.add_tunnel_events([at(1, f"tunnel-{number}") for number in range(50)])
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert connection.execute("SELECT count(*) FROM tunnel_events").fetchone() == (20,)


def test_no_router_takes_the_place_of_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "EVENTS_KEPT", 40)
    monkeypatch.setattr(bounds, "EVENTS_IN_MEMORY", 10)
    history = Kept(tmp_path / "history.db")
    history.add_tunnel_events([at(second, "quiet") for second in range(3)])
    for turn in range(5):
        loud = [at(second, f"loud-{turn}-{second}") for second in range(30)]
        history.add_tunnel_events([replace(event, router="tokyo") for event in loud])
    assert len(history.tunnel_events("quiet", 99)) == 3
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        counts = connection.execute("SELECT router, count(*) FROM tunnel_events GROUP BY router").fetchall()
    assert counts == [("paris", 3), ("tokyo", 37)]
    kept = [row["router"] for row in History(tmp_path / "history.db").contents()["tunnel_events"]]
    assert (kept.count("paris"), len(kept)) == (3, 10)


def test_the_latest_is_what_came_last_whatever_the_clock_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that was set back takes nothing away that is new."""
    monkeypatch.setattr(bounds, "EVENTS_OF_TUNNEL", 3)
    history = Kept(tmp_path / "history.db")
    for second in (50, 51, 52, 10, 11):
        history.add_tunnel_events([at(second)])
    assert [event.at.second for event in history.tunnel_events("paris-tokyo", 9)] == [11, 10, 52]
    assert [event.at.second for event in history.tunnel_events("paris-tokyo", 2)] == [11, 10]


def test_it_is_kept_over_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = Kept(path)
    history.add_tunnel_events([DOWN])
    path.write_bytes(b"no database")
    history.add_tunnel_events([at(1)])
    history.settle()
    assert [event.at for event in History(path).tunnel_events("paris-tokyo", 9)] == [at(1).at, DOWN.at]


def test_history_reports_one_tunnel_in_the_order_of_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    history = History(tmp_path / "state" / "history.db")
    for minute, tunnel in enumerate(["paris-tokyo", "paris-tokyo-2", "paris-tokyo"]):
        history.add(run_of(tunnel, 10 * minute))
    history.add_tunnel_events([at(60), at(61), at(62, "paris-tokyo-2")])
    config = tmp_path / "reconcile.yaml"
    config.write_text(f"repository: {tmp_path}\nstate: {tmp_path}/state\n")
    assert main(["history", "--config", str(config), "--tunnel", "paris-tokyo"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"2026-05-09 12:00:00Z  run 1 {CHANGED}",
        "2026-05-09 12:01:00Z  paris-tokyo at paris: net down after 3:12:00 up",
        "2026-05-09 12:01:01Z  paris-tokyo at paris: net up after 3:12:00 down",
        f"2026-05-09 12:20:00Z  run 3 {CHANGED}",
    ]
    assert (
        main(["history", "--config", str(config), "--tunnel", "paris-tokyo", "--json", "--limit", "2"]) == 0
    )
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [item["type"] for item in objects] == ["version", "tunnel_event", "run"]
    assert main(["history", "--config", str(config), "--tunnel", "unknown"]) == 1
    assert "the history has nothing about a tunnel or connection 'unknown'" in capsys.readouterr().err


def test_the_name_of_a_connection_means_both_of_its_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which they are stands in the followed repository."""
    site = followed(tmp_path)
    assert main(["convert", str(site.tree)]) == 0
    site.commit({})
    site.once()
    history = History(tmp_path / "state" / "history.db")
    history.add_tunnel_events([at(61), at(60, "tokyo-paris"), at(62, "elsewhere")])
    config = tmp_path / "reconcile.yaml"
    config.write_text(f"repository: {site.repository.working_dir}\nstate: {tmp_path}/state\n")
    capsys.readouterr()
    for name in ("paris--tokyo", "tokyo-paris"):
        assert main(["history", "--config", str(config), "--tunnel", name]) == 0
        shown = capsys.readouterr().out
        assert ("paris-tokyo at" in shown, "tokyo-paris at" in shown) == (name != "tokyo-paris", True)
        assert "elsewhere" not in shown


def test_labels_mean_both_ends_of_what_they_select_on_the_followed_branch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = followed(tmp_path)
    site.edit("paris.yaml", "{name: paris}", "{name: paris, labels: {site: paris}}")
    site.once()
    history = History(tmp_path / "state" / "history.db")
    history.add_tunnel_events([at(61), at(60, "tokyo-paris"), at(62, "elsewhere")])
    config = tmp_path / "reconcile.yaml"
    config.write_text(f"repository: {site.repository.working_dir}\nstate: {tmp_path}/state\n")
    capsys.readouterr()
    assert main(["history", "--config", str(config), "-l", "site=paris"]) == 0
    shown = capsys.readouterr().out
    assert ("paris-tokyo at" in shown, "tokyo-paris at" in shown, "elsewhere" in shown) == (True, True, False)
    assert main(["history", "--config", str(config), "-l", "site=rome"]) == 1
    assert "hint: the labels are: site=paris" in capsys.readouterr().err
