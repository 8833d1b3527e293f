"""What each page shows: a source and what was asked for -> a template with its values. Pure but for the
history and the clone, which are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeAlias

from reconciler.model import bounds
from reconciler.model.condition import TROUBLE, ConnectionCondition
from reconciler.model.events import Drift
from reconciler.page.rows import COLUMNS, counts, matches, row_of
from reconciler.page.snapshot import Snapshot, Source
from reconciler.page.topology import drawing
from reconciler.policy.windows import next_permitted, permitted
from reconciler.report.status_text import MANY, summary

Asked: TypeAlias = Mapping[str, str]
"""Parts of the path, and of the query; the browser's word."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One response: a template, its values, and the status of HTTP."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)
    status: int = 200


View: TypeAlias = Callable[[Source, Asked], Shown]


def common(source: Source, now: datetime) -> dict[str, Any]:
    """What every page shows."""
    seen = source.snapshot()
    return {
        "seen": seen,
        "why_not": source.why_not,
        "now": now,
        "summary": summary(seen.connections) if seen is not None else "",
        "counts": counts(seen.connections) if seen is not None else [],
        "has_history": source.history is not None,
        "columns": list(COLUMNS.values()),
    }


def missing(what: str) -> Shown:
    """There is no such thing. Its name is not repeated."""
    return Shown("missing.html.j2", {"what": what}, 404)


def observed(view: Callable[[Snapshot, Source, Asked], Shown]) -> View:
    """A view of what was observed last; of nothing, before the first observation."""

    @wraps(view)
    def shown(source: Source, asked: Asked) -> Shown:
        seen = source.snapshot()
        return Shown("waiting.html.j2") if seen is None else view(seen, source, asked)

    return shown


@observed
def fleet(seen: Snapshot, _source: Source, asked: Asked) -> Shown:
    """The connections, those in trouble first; of many those alone that need attention, unless something is
    searched for."""
    words, state, every = asked.get("q", "")[: bounds.PAGE_QUERY], asked.get("state", ""), "all" in asked
    found = [one for one in seen.connections if matches(one, words) and state in {"", one.state.label}]
    searched = bool(words or state or every)
    shown = [one for one in found if one.needs_attention] if len(found) > MANY and not searched else found
    page = _number(asked.get("page", ""))
    first = (page - 1) * bounds.PAGE_ROWS
    rows = [row_of(seen, one, datetime.now(UTC)) for one in shown[first : first + bounds.PAGE_ROWS]]
    return Shown(
        "fleet.html.j2",
        {
            "title": "Fleet",
            "rows": rows,
            "words": words,
            "state": state,
            "every": every,
            "page": page,
            "found": len(found),
            "listed": len(shown),
            "first": first + 1 if rows else 0,
            "last": first + len(rows),
            "well": len(found) - len(shown),
        },
    )


@observed
def topology(seen: Snapshot, _source: Source, asked: Asked) -> Shown:
    """The routers and the connections between them, drawn."""
    cluster = asked.get("cluster")
    found = drawing(seen.connections, seen.fabric.routers, cluster)
    if found is None:
        return missing("cluster")
    trouble = [one for one in seen.connections if one.state in TROUBLE][: bounds.PAGE_EVENTS]
    return Shown(
        "topology.html.j2",
        {"title": "Topology", "drawing": found, "cluster": cluster, "trouble": trouble},
    )


@observed
def routers(seen: Snapshot, _source: Source, _: Asked) -> Shown:
    """All routers, those that could not be observed first."""
    at = _by_router(seen)
    names = sorted(seen.fabric.routers, key=lambda name: (seen.routers[name].absence is None, name))
    rows = [
        (name, seen.routers[name], counts(at.get(name, [])), _differing(seen, name))
        for name in names[: bounds.PAGE_ROWS]
    ]
    more = max(0, len(names) - bounds.PAGE_ROWS)
    return Shown("routers.html.j2", {"title": "Routers", "rows": rows, "more": more})


@observed
def router(seen: Snapshot, _source: Source, asked: Asked) -> Shown:
    """One router: its connections, VIPs and differences."""
    name = asked["name"]
    if name not in seen.fabric.routers:
        return missing("router")
    there = _by_router(seen).get(name, [])
    used = {tunnel.vip.name for tunnel in seen.fabric.tunnels_of(name)}
    differs = [change for what, change in seen.differs.items() if what.router == name]
    return Shown(
        "router.html.j2",
        {
            "title": name,
            "router": seen.fabric.routers[name],
            "known": seen.routers[name],
            "rows": [row_of(seen, one, datetime.now(UTC)) for one in there[: bounds.PAGE_ROWS]],
            "more": max(0, len(there) - bounds.PAGE_ROWS),
            "vips": [(vip, vip.name in used) for vip in seen.fabric.vips_of(name)],
            "differs": differs[: bounds.PAGE_ROWS],
        },
    )


@observed
def drift(seen: Snapshot, source: Source, _: Asked) -> Shown:
    """What differs from the desired state, and why it is left so."""
    found = sorted(seen.differs.values(), key=lambda change: str(change.resource))
    reported = _latest(source, Drift)
    uncommitted = {event.resource for event in reported}
    return Shown(
        "drift.html.j2",
        {
            "title": "Drift",
            "differs": found[: bounds.PAGE_ROWS],
            "more": max(0, len(found) - bounds.PAGE_ROWS),
            "waits": _reasons(seen),
            "uncommitted": uncommitted,
        },
    )


@observed
def limits(seen: Snapshot, _source: Source, _: Asked) -> Shown:
    """What waits, until when, and the limits and windows that make it wait."""
    now = datetime.now(UTC)
    policies = []
    for policy in (seen.fabric.safety, *seen.fabric.part_safety):
        windows = (policy.windows,)
        open_now = permitted(windows, now)
        policies.append((policy, open_now, None if open_now else next_permitted(windows, now)))
    return Shown("limits.html.j2", {"title": "Limits", "policies": policies, "waits": seen.waits})


def _reasons(seen: Snapshot) -> dict[Any, str]:
    """Resource -> why it waits."""
    found: dict[Any, str] = {}
    for item in seen.waits:
        for resource in getattr(item, "resources", None) or [getattr(item, "resource", None)]:
            found[resource] = item.reason
    return found


def _latest(source: Source, kind: type[Drift]) -> list[Drift]:
    runs = source.history.runs(1) if source.history is not None else []
    return [event for run in runs for event in run.events if isinstance(event, kind)]


def _by_router(seen: Snapshot) -> dict[str, list[ConnectionCondition]]:
    found: dict[str, list[ConnectionCondition]] = {}
    for one in seen.connections:
        for name in dict.fromkeys(end.tunnel.router for end in one.ends):
            found.setdefault(name, []).append(one)
    return found


def _differing(seen: Snapshot, router: str) -> int:
    return sum(what.router == router for what in seen.differs)


def _number(text: str) -> int:
    """A number of a page; 1 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) <= 6 and int(text) else 1
