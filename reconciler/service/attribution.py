"""Who was at a router that drifted: asked of the router itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from reconciler.history.store import History
from reconciler.model.bounds import ASKED_ROUTERS, ASKED_SECONDS
from reconciler.model.errors import TunnelwrightError
from reconciler.observe.state import within_one_look
from reconciler.routers.fleet import Connect, each
from reconciler.service.fleet_state import FleetState


def ask(history: History, connect: Connect, seen: FleetState, parallelism: int) -> list[dict[str, Any]]:
    """What routers tell of the time since the last run, where something differs that did not then, as objects
    of `--json`. A router that does not tell is no reason to do anything else."""
    last = next(iter(history.runs(1)), None)
    if last is None:
        return []
    known = {item["resource"] for item in last.objects if item["type"] == "drift"}
    routers = sorted({resource.router for resource in seen.drift if str(resource) not in known})[
        :ASKED_ROUTERS
    ]
    # A clock that was set back makes it negative.
    seconds = max(1, min(ASKED_SECONDS, int((datetime.now(UTC) - last.finished).total_seconds()) + 1))

    told = each(within_one_look(connect), routers, lambda router: router.host.traces(seconds), parallelism)
    return [
        {"type": "trace", "router": name, "at": trace.at.isoformat(), "text": trace.text}
        for name, traces in told.items()
        if not isinstance(traces, TunnelwrightError)
        for trace in traces
    ]
