"""One connection in full: both ends, what they carry, what has happened, and where its values come from."""

from __future__ import annotations

from datetime import UTC, datetime
from heapq import merge

from rich.filesize import decimal

from reconciler.history.store import History
from reconciler.model import bounds
from reconciler.model.condition import ConnectionCondition
from reconciler.model.errors import TunnelwrightError
from reconciler.model.isolation import attempt
from reconciler.model.record import RunRecord
from reconciler.model.tunnel_event import TunnelEvent
from reconciler.page.rows import row_of
from reconciler.page.samples import Sample, figures, rates
from reconciler.page.snapshot import Snapshot, Source
from reconciler.page.sparkline import Sparkline, sparkline
from reconciler.page.views import Asked, Shown, missing, observed
from reconciler.report.line import Line
from reconciler.report.run_text import changes_of
from reconciler.report.tunnel_text import tunnel_event_line


@observed
def connection(seen: Snapshot, source: Source, asked: Asked) -> Shown:
    """The page of one connection."""
    one = seen.connection(asked["name"])
    if one is None:
        return missing("connection")
    ends = [end.tunnel.name for end in one.ends]
    history = source.history
    return Shown(
        "connection.html.j2",
        {
            "title": one.name,
            "one": one,
            "row": row_of(seen, one, datetime.now(UTC)),
            "sparklines": [drawn for drawn in _sparklines(source.samples.of(one.name)) if drawn is not None],
            "happened": [] if history is None else _happened(history, ends),
            "runs": [] if history is None else _runs(history, ends),
            "origin": one.ends[0].tunnel.origin,
            "command": _word(one),
        },
    )


def _word(one: ConnectionCondition) -> str:
    """What commands call it."""
    origin = one.ends[0].tunnel.origin
    return one.name if origin is None else origin.name


@observed
def values(seen: Snapshot, source: Source, asked: Asked) -> Shown:
    """Where each value of both ends comes from."""
    one = seen.connection(asked["name"])
    if one is None:
        return missing("connection")
    ends = [end.tunnel.name for end in one.ends]
    found = attempt("page", one.name, lambda: source.explained(seen, ends))
    failed = found.message if isinstance(found, TunnelwrightError) else ""
    return Shown(
        "values.html.j2",
        {
            "title": f"Values of {one.name}",
            "one": one,
            "explained": {} if isinstance(found, TunnelwrightError) else found,
            "reason": failed,
        },
        503 if failed else 200,
    )


def _happened(history: History, ends: list[str]) -> list[Line]:
    """What was reported of both ends, the latest first."""
    found: list[list[TunnelEvent]] = [history.tunnel_events(end, bounds.PAGE_EVENTS) for end in ends]
    events = [*merge(*found, key=_time, reverse=True)][: bounds.PAGE_EVENTS]
    return [tunnel_event_line(event) for event in events]


def _time(event: TunnelEvent) -> datetime:
    return event.at


def _runs(history: History, ends: list[str]) -> list[tuple[RunRecord, list[Line]]]:
    """The runs that were to change it, the latest first, and what each was to change."""
    runs = {run.id: run for end in ends for run in history.runs_about(end, bounds.PAGE_EVENTS)}
    latest = sorted(runs.values(), key=lambda run: -run.id)[: bounds.PAGE_EVENTS]
    return [(run, list(changes_of(run, ends))) for run in latest]


def _sparklines(samples: tuple[Sample, ...]) -> list[Sparkline | None]:
    return [
        sparkline("Out", rates(samples, _sent), _rate),
        sparkline("In", rates(samples, _received), _rate),
        sparkline("Loss", figures(samples, _loss), "{:.0%}".format),
        sparkline("RTT", figures(samples, _rtt), lambda value: f"{value * 1000:.1f} ms"),
    ]


def _rate(value: float) -> str:
    return f"{decimal(int(value))}/s"


def _sent(sample: Sample) -> int:
    return sample.sent


def _received(sample: Sample) -> int:
    return sample.received


def _loss(sample: Sample) -> float | None:
    return sample.loss


def _rtt(sample: Sample) -> float | None:
    return sample.rtt
