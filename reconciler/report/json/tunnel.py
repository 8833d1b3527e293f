"""What has happened to tunnels, as JSON objects."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.report.json.form import Form, Item


def _body(event: TunnelEvent) -> dict[str, Any]:
    return {
        "at": event.at.isoformat(),
        "router": event.router,
        "tunnel": event.tunnel,
        "change": event.change.value,
        "child": event.child,
        "detail": event.detail,
        "seconds": event.seconds,
        "late": event.late,
    }


def _read(item: Item) -> TunnelEvent:
    return TunnelEvent(
        item.time("at"),
        item.text("router"),
        item.text("tunnel"),
        TunnelChange(item.text("change")),
        item.text("child"),
        item.text("detail"),
        item.number("seconds") if item.has("seconds") else None,
        item.flag("late"),
    )


FORM = Form("tunnel_event", TunnelEvent, _body, _read)
tunnel_event = FORM.encode
"""An event as a JSON object."""


def read_tunnel_event(text: str) -> TunnelEvent | None:
    """The event of an object that was kept; None for what another version has written in another way."""
    try:
        return FORM.read(Item(json.loads(text)))
    except (ValueError, KeyError, OverflowError, RecursionError):
        return None


def words_object(at: datetime, router: str, tunnel: str, text: str) -> dict[str, Any]:
    """A line of charon's log about a tunnel."""
    return {"type": "charon_log", "at": at.isoformat(), "router": router, "tunnel": tunnel, "text": text}
