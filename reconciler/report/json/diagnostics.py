"""Findings in the desired state as JSON."""

from __future__ import annotations

from typing import Any

from reconciler.model.diagnostic import Diagnostic, Location, Severity
from reconciler.report.json.form import Form, Forms, Item


def diagnostic_object(item: Diagnostic) -> dict[str, Any]:
    """One finding."""
    return FORMS.encode(item)


def place_object(location: Location) -> dict[str, Any]:
    """Where something stands."""
    return {"file": location.file, "line": location.line, "column": location.column}


def _place(item: Item) -> Location:
    return Location(item.text("file"), item.number("line"), item.number("column"))


def _diagnostic(item: Diagnostic) -> dict[str, Any]:
    return {
        "severity": item.severity.value,
        "code": item.code,
        **place_object(item.location),
        "path": item.path,
        "message": item.message,
        "allowed": item.allowed,
        "hint": item.hint,
        "related": [place_object(location) for location in item.related],
        "more_related": item.more_related,
        "stands_for": item.stands_for,
    }


def _read_diagnostic(item: Item) -> Diagnostic:
    return Diagnostic(
        Severity(item.text("severity")),
        item.text("code"),
        _place(item),
        item.text("message"),
        item.text("path"),
        item.text("allowed"),
        item.text("hint"),
        tuple(map(_place, item.items("related"))),
        item.number("more_related", 0),
        item.number("stands_for", 1),
    )


FORMS = Forms(Form("diagnostic", Diagnostic, _diagnostic, _read_diagnostic))
