"""A run as structured events: what it found is logged in the words of `--json`, each with its level."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import get_args

from reconciler.model.events import Event, Foreign
from reconciler.model.operation import UnloadConnection
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Disruption, Phase, Step
from reconciler.model.record import Result, RunRecord
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.report.json.events import FORMS
from reconciler.service.log import EventLog
from tests.unit.report.json.written import WRITTEN

NOW = datetime(2026, 11, 26, tzinfo=UTC)
RUN = RunRecord(NOW, NOW, "once", "a" * 40, "a" * 40, Result.IN_SYNC, "why", id=7)
LEVELS = {
    "diagnostic": "warning",
    "down": "warning",
    "diagnosed": "warning",
    "impaired": "warning",
    "drift": "info",
    "trace": "info",
    "unreachable": "warning",
    "withheld": "warning",
    "duplicate_address": "warning",
    "unused_vip": "info",
    "refused": "error",
    "deferred": "info",
    "held": "info",
    "rollback": "error",
    "loss": "info",
    "dropped": "info",
    "resource_change": "info",
    "trouble": "error",
    "left_out": "warning",
    "armed": "warning",
    "went_back": "error",
}
SILENT = {"outcome", "check", "exposed", "plan_summary", "overridden", "to_confirm"}
"""Steps were logged when they ended, with their outcomes; the others say nothing that those above do not."""


def test_a_step_is_logged_when_it_ends() -> None:
    stream = StringIO()
    step = Step("paris", Phase.SWITCH, "a-to-b", "bring up", Disruption.NONE, UnloadConnection("tw-a-to-b"))
    EventLog(stream).step(Outcome(step, Status.FAILED, "no proposal chosen", 1.23456))
    logged = json.loads(stream.getvalue())
    del logged["time"]
    assert logged == {
        "level": "error",
        "event": "step",
        "router": "paris",
        "tunnel": "a-to-b",
        "summary": "bring up",
        "disruption": "none",
        "status": "failed",
        "message": "no proposal chosen",
        "seconds": 1.2346,
    }


def test_what_a_run_found_is_logged_as_json_has_it() -> None:
    stream = StringIO()
    EventLog(stream).run(replace(RUN, events=tuple(event for event, _ in WRITTEN)))
    *found, run = map(json.loads, stream.getvalue().splitlines())
    logged = [
        {"type": item["event"], "level": item["level"], "run": item["run"], **item["details"]}
        for item in found
    ]
    assert logged == [
        {**written, "level": LEVELS[written["type"]], "run": 7}
        for _, written in WRITTEN
        if written["type"] not in SILENT
    ]
    del run["time"]
    assert run == {
        "event": "run",
        "level": "info",
        "run": 7,
        "seconds": 0.0,
        "started": "2026-11-26T00:00:00+00:00",
        "finished": "2026-11-26T00:00:00+00:00",
        "trigger": "once",
        "head": "a" * 40,
        "in_force": "a" * 40,
        "result": "in sync",
        "message": "why",
        "repeats": 1,
    }


def test_of_each_class_it_is_known_whether_it_is_reported() -> None:
    names = {form.name for form in FORMS}
    assert LEVELS.keys() | SILENT == names
    assert len(names) == len(set(get_args(Event)) - {Foreign})


def test_what_happens_to_a_tunnel_is_an_event_with_its_level() -> None:
    stream = StringIO()
    log = EventLog(stream)
    for change in TunnelChange:
        log.tunnel(TunnelEvent(NOW, "paris", "paris-tokyo", change, "net", seconds=7))
    logged = [json.loads(line) for line in stream.getvalue().splitlines()]
    levels = {item["details"]["change"]: item["level"] for item in logged}
    assert {item["event"] for item in logged} == {"tunnel_event"}
    assert levels == {
        "up": "info",
        "rekeyed": "info",
        "down": "warning",
        "failed": "warning",
        "alert": "warning",
        "impaired": "warning",
        "carrying": "info",
        "reconnected": "info",
    }
