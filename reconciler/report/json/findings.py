"""Causes that a diagnosis found, as JSON."""

from __future__ import annotations

from typing import Any

from reconciler.diagnosis import Finding
from reconciler.report.json.diagnostics import place_object


def finding_object(item: Finding) -> dict[str, Any]:
    """One cause that a diagnosis found."""
    return {
        "type": "finding",
        "severity": item.severity.value,
        "code": item.code,
        "tunnel": item.tunnel,
        "router": item.router,
        "document": {"kind": item.field.kind, "name": item.field.name},
        "path": str(item.field),
        **place_object(item.location),
        "message": item.message,
        "seen": list(item.seen),
        "hint": item.hint,
    }
