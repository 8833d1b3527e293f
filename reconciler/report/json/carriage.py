"""What the service's probes know of connections, as JSON objects."""

from __future__ import annotations

import json
from typing import Any

from reconciler.model.condition import Carriage, LastChange, State
from reconciler.report.json.form import Form, Item


def _body(one: Carriage) -> dict[str, Any]:
    return {
        "connection": one.connection,
        "router": one.router,
        "tunnel": one.tunnel,
        "state": one.state.value,
        "reason": one.reason,
        "since": one.since.isoformat(),
        "at": one.at.isoformat(),
        "interval": one.interval,
        "proven": None if one.proven is None else one.proven.isoformat(),
        "target": one.target,
        "loss": _rounded(one.loss),
        "rtt": _rounded(one.rtt),
        "baseline": _rounded(one.baseline),
    }


def _read(item: Item) -> Carriage:
    return Carriage(
        item.text("connection"),
        item.text("router"),
        item.text("tunnel"),
        State(item.text("state")),
        item.text("reason"),
        item.time("since"),
        item.time("at"),
        item.decimal("interval") if item.has("interval") else 0.0,
        item.time("proven") if item.has("proven") else None,
        item.text("target"),
        *(item.decimal(name) if item.has(name) else None for name in ("loss", "rtt", "baseline")),
    )


def _rounded(value: float | None) -> float | None:
    """No clock of a router is more exact."""
    return None if value is None else round(value, 6)


FORM = Form("carriage", Carriage, _body, _read)
carriage_object = FORM.encode
"""What is known of a connection as a JSON object."""


def read_carriage(text: str) -> Carriage | None:
    """What was kept; None for what another version has written in another way."""
    try:
        return FORM.read(Item(json.loads(text)))
    except (ValueError, KeyError, OverflowError, RecursionError):
        return None


def last_change_object(connection: str, change: LastChange) -> dict[str, Any]:
    """The last change of a connection."""
    return {
        "type": "last_change",
        "connection": connection,
        "at": change.at.isoformat(),
        "commit": change.commit,
        "author": change.author,
    }
