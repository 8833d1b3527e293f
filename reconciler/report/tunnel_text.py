"""What has happened to tunnels, for a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.report.line import Line

_STYLE: Final[Mapping[TunnelChange, str]] = {
    TunnelChange.UP: "green",
    TunnelChange.DOWN: "bold red",
    TunnelChange.FAILED: "yellow",
    TunnelChange.ALERT: "yellow",
    TunnelChange.IMPAIRED: "bold red",
    TunnelChange.CARRYING: "green",
    TunnelChange.RECONNECTED: "yellow",
}
_WORDS: Final[Mapping[TunnelChange, str]] = {
    TunnelChange.UP: "up",
    TunnelChange.DOWN: "down",
    TunnelChange.REKEYED: "rekeyed",
    TunnelChange.FAILED: "an attempt to bring it up failed",
    TunnelChange.ALERT: "alert",
    TunnelChange.IMPAIRED: "probes show:",
    TunnelChange.CARRYING: "probes show: carrying",
    TunnelChange.RECONNECTED: "reconnected by the service:",
}


def tunnel_event_line(event: TunnelEvent) -> Line:
    """One event in a line."""
    words = _WORDS[event.change]
    child = f" {event.child}" if event.child else ""
    detail = f" {event.detail}" if event.detail else ""
    before = {TunnelChange.UP: "down", TunnelChange.DOWN: "up"}.get(event.change)
    lasted = f" after {_duration(event.seconds)} {before}" if event.seconds is not None and before else ""
    late = " (found when the router was followed again)" if event.late else ""
    place = f"{event.at:%Y-%m-%d %H:%M:%SZ}  {event.tunnel} at {event.router}:"
    return Line(f"{place}{child} {words}{detail}{lasted}{late}", _STYLE.get(event.change, ""))


def words_line(at: datetime, router: str, tunnel: str, text: str) -> Line:
    """A line of charon's log about a tunnel."""
    return Line(f"{at:%Y-%m-%d %H:%M:%SZ}  {tunnel} at {router}: {text}")


def _duration(seconds: int) -> str:
    return str(timedelta(seconds=seconds)) if seconds >= _MINUTE else f"{seconds} s"


_MINUTE: Final = 60
