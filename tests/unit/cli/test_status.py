"""`status`: a row for each connection, what it filters, and when it fails."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.cli.commands import status
from reconciler.history.store import History
from reconciler.model.condition import Carriage, ConnectionCondition, EndCondition, LastChange, State
from reconciler.model.errors import ExitCode
from reconciler.report.status_text import MANY, span, status_lines
from tests.fabrics import two_routers
from tests.unit.cli.stage import Stage


def down(stage: Stage) -> None:
    for router in stage.site.routers.values():
        router.restart_charon()


def test_a_connection_is_one_row_and_one_line_sums_up(stage: Stage) -> None:
    code, shown = stage.run("status")
    title, row, *rest = shown.splitlines()
    assert code == ExitCode.OK
    assert title.split()[:3] == ["CONNECTION", "STATE", "BETWEEN"]
    assert row.startswith("paris-tokyo  up     paris - tokyo  ")
    assert rest[0] == "1 of 1 connection is up."


def test_what_is_down_is_said_with_the_reason(stage: Stage) -> None:
    down(stage)
    code, shown = stage.run("status")
    assert code == ExitCode.OK
    assert "paris-tokyo  down   paris - tokyo  -    -   -       -" in shown
    assert "    no IKE_SA at paris; no IKE_SA at tokyo" in shown
    assert "0 of 1 connection is up: 1 down." in shown


@pytest.mark.parametrize(
    ("what", "is_down", "drifts", "code"),
    [
        ("down", True, False, ExitCode.INCOMPLETE),
        ("degraded", True, False, ExitCode.INCOMPLETE),
        ("drift", True, False, ExitCode.OK),
        ("down", False, True, ExitCode.OK),
        ("drift", False, True, ExitCode.INCOMPLETE),
        ("degraded", False, False, ExitCode.OK),
    ],
)
def test_it_fails_on_what_the_option_names(
    stage: Stage, what: str, is_down: bool, drifts: bool, code: ExitCode
) -> None:
    if is_down:
        down(stage)
    if drifts:
        stage.reconnect()
    assert stage.run("status", "--fail-on", what)[0] == code


def test_only_what_is_asked_for_is_listed_and_counts(stage: Stage) -> None:
    down(stage)
    for words, listed in (
        (("--target", "paris"), True),
        (("--target", "tokyo-paris"), True),
        (("--state", "down"), True),
        (("--state", "up"), False),
        (("--target", "paris", "--state", "disabled"), False),
    ):
        code, shown = stage.run("status", "--fail-on", "down", *words)
        assert ("paris-tokyo" in shown) == listed
        assert code == (ExitCode.INCOMPLETE if listed else ExitCode.OK)
    code, shown = stage.run("status", "--target", "pariss")
    assert (code, "no router or tunnel is called pariss" in shown) == (ExitCode.ERROR, True)
    assert "paris" in shown.partition("hint:")[2]


def test_details_are_printed_when_they_are_asked_for(stage: Stage) -> None:
    plain = stage.run("status")[1]
    assert "203.0.113" not in plain
    assert "IKE_SA" not in plain
    assert "203.0.113.11 - 203.0.113.12" in stage.run("status", "--wide")[1]
    shown = stage.run("status", "-v")[1]
    assert "  paris-tokyo at paris: up  203.0.113.11 <-> 203.0.113.12" in shown
    assert "    IKE_SA 1: ESTABLISHED" in shown


def test_json_has_an_object_for_the_connection_and_one_for_each_end(stage: Stage) -> None:
    down(stage)
    objects = [json.loads(line) for line in stage.run("status", "--json")[1].splitlines()]
    [one] = [item for item in objects if item["type"] == "connection"]
    assert one == {
        "type": "connection",
        "connection": "paris-tokyo",
        "state": "down",
        "reason": "no IKE_SA at paris; no IKE_SA at tokyo",
        "drift": False,
        "ends": ["paris-tokyo", "tokyo-paris"],
    }
    here, there = (item for item in objects if item["type"] == "end")
    assert (here["router"], here["state"], here["live"], here["age"]) == ("paris", "down", False, None)
    assert there["tunnel"] == "tokyo-paris"


def test_it_observes_again_and_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt
        down(stage)

    monkeypatch.setattr(status, "sleep", pause)
    code, shown = stage.run("status", "--watch", "7")
    assert (code, pauses) == (130, [7, 7])
    assert shown.index("1 of 1 connection is up.") < shown.index("0 of 1 connection is up: 1 down.")


def test_what_the_service_knows_is_shown_beside_what_is_there(stage: Stage, tmp_path: Path) -> None:
    settings = tmp_path / "reconcile.yaml"
    settings.write_text(f"repository: /nowhere\nstate: {tmp_path}\nprobes: {{interval: 600}}\n")
    history, now = History(tmp_path / "history.db"), datetime.now(UTC)
    reason = "10.2.0.1 does not answer, and no packet arrives"
    since = now - timedelta(hours=3, minutes=2, seconds=1)
    known = Carriage("paris-tokyo", "paris", "paris-tokyo", State.SILENT, reason, since, now, 60)
    history.carry([replace(known, loss=0.25, rtt=0.0123, baseline=0.01)])
    history.keep_last_changes({"paris-tokyo": LastChange(since, "c0ffee" * 7, "Ann Other")})
    code, shown = stage.run("status", "--config", str(settings), "--fail-on", "down")
    assert code == ExitCode.INCOMPLETE
    title, row, *rest = shown.splitlines()
    assert title.split()[-3:] == ["SINCE", "LOSS", "RTT"]
    assert row.startswith("paris-tokyo  up, carrying nothing  ")
    assert row.endswith("3 h 2 min  25%   12.3 ms (usually 10.0)")
    change = f"    last change: {since:%Y-%m-%d %H:%M:%SZ}, commit c0ffeec0ffee by Ann Other"
    assert rest[:2] == [f"    {reason}", change]
    assert rest[2] == "0 of 1 connection is up: 1 up, carrying nothing."
    code, shown = stage.run("status", "--config", str(settings), "--json")
    found = {item["type"]: item for item in map(json.loads, shown.splitlines())}
    assert found["connection"]["state"] == found["carriage"]["state"] == "up, carrying nothing"
    assert (found["carriage"]["loss"], found["last_change"]["author"]) == (0.25, "Ann Other")
    # Without the service, what is there.
    assert "  up     paris - tokyo  " in stage.run("status")[1]


def test_of_many_connections_those_in_trouble_are_listed() -> None:
    tunnels = two_routers().tunnels.values()
    ends = tuple(EndCondition(tunnel, State.UP, "", "") for tunnel in tunnels)
    good = [ConnectionCondition(f"a-{number}", State.UP, "", ends) for number in range(MANY)]
    many = [ConnectionCondition("bad", State.DOWN, "no IKE_SA at x", ends), *good]
    lines = [line.text for line in status_lines(many, datetime.now(UTC), every=False, wide=False)]
    assert [line.split()[0] for line in lines[1:-2]] == ["bad", "no"]
    assert lines[-2:] == [
        "40 of 41 connections are up: 1 down.",
        "40 that need no attention are not listed; --all lists them.",
    ]
    assert len(list(status_lines(many, datetime.now(UTC), every=True, wide=False))) == MANY + 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min 0 s"),
        (3_725, "1 h 2 min"),
        (86_400, "1 d 0 h"),
        (90_061, "1 d 1 h"),
    ],
)
def test_a_span_of_time_has_its_two_largest_units(seconds: int, text: str) -> None:
    assert span(seconds) == text
