"""Routers that are armed, and routers that have gone back, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from reconciler.model.listing import listed
from reconciler.model.way_back import Armed, Cause, WentBack
from reconciler.report.line import Line

_CAUSES = {
    Cause.DEADLINE: "it was not confirmed in time",
    Cause.UNPROVEN: "it was not proven",
    Cause.RESTART: "the router restarted before it was confirmed",
    Cause.OVERDUE: "it was not confirmed in time, and the router's timer had gone",
}


def way_back_lines(found: Iterable[Armed | WentBack], now: datetime) -> Iterator[Line]:
    """A line for each, at a time."""
    for item in found:
        yield Line(f"! {way_back_text(item, now)}", "bold red")


def way_back_text(item: Armed | WentBack, now: datetime | None = None) -> str:
    """A router that is armed, or has gone back, as a sentence. Without the time of the observation the
    deadline is that of a past run, and is left out."""
    of = f"{item.arming.what} by {item.arming.owner}"
    if isinstance(item, Armed):
        if now is None:
            return f"{item.router}: armed: {of} was not confirmed"
        at = now + timedelta(seconds=item.left)
        when = f"at {at:%H:%M:%S} UTC" if item.left else "now"
        return f"{item.router}: armed: {of} is not confirmed; it goes back {when}"
    problems = f"; not restored: {listed(item.problems)}" if item.problems else ""
    when = f"at {item.at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{item.router}: went back {when} from {of}: {_CAUSES[item.cause]}{problems}"
