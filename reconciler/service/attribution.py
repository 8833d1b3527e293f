"""Drift attribution: what routers with drift report about logins, changed files and restarts."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from reconciler.history.store import History
from reconciler.model.bounds import ATTRIBUTED_ROUTERS, ATTRIBUTED_SECONDS
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import Drift, Traced
from reconciler.observe.state import within_one_observation
from reconciler.observe.traces import traces_of
from reconciler.routers.fleet import Fleet
from reconciler.service.fleet_state import FleetState


def traces_of_drift(history: History, fleet: Fleet, seen: FleetState) -> list[Traced]:
    """What routers report of the time since the last run, where something differs that did not then. A
    router that does not report is no reason to do anything else."""
    last = next(iter(history.runs(1)), None)
    if last is None:
        return []
    known = {item.resource for item in last.of(Drift)}
    routers = sorted({resource.router for resource in seen.drift - known})[:ATTRIBUTED_ROUTERS]
    # A clock that was set back makes it negative.
    seconds = max(1, min(ATTRIBUTED_SECONDS, int((datetime.now(UTC) - last.finished).total_seconds()) + 1))
    answers = within_one_observation(fleet).each(routers, partial(traces_of, seconds=seconds))
    return [
        Traced(name, trace)
        for name, traces in answers.items()
        if not isinstance(traces, TunnelwrightError)
        for trace in traces
    ]
