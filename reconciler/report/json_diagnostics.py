"""Findings in the documents, for programs. Light: `validate` starts with it."""

from __future__ import annotations

from typing import Any

from reconciler.model.diagnostic import Diagnostic, Location


def diagnostic_object(item: Diagnostic) -> dict[str, Any]:
    """One finding."""
    return {
        "type": "diagnostic",
        "severity": item.severity.value,
        "code": item.code,
        **place_object(item.location),
        "path": item.path,
        "message": item.message,
        "allowed": item.allowed,
        "hint": item.hint,
        "related": [place_object(place) for place in item.related],
        "more_related": item.more_related,
        "stands_for": item.stands_for,
    }


def place_object(location: Location) -> dict[str, Any]:
    """Where something stands."""
    return {"file": location.file, "line": location.line, "column": location.column}
