"""Diagnostics as text: `file:line:column: error: …`, the allowed values, a hint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.listing import counted
from reconciler.report.line import Line


def diagnostic_lines(found: Iterable[Diagnostic]) -> Iterator[Line]:
    """Every finding, then how many there are."""
    count = dict.fromkeys(Severity, 0)
    for item in found:
        count[item.severity] += item.stands_for
        style = "red" if item.severity is Severity.ERROR else "yellow"
        path = f" [{item.path}]" if item.path else ""
        yield Line(f"{item.location}: {item.severity}: {item.message}{path} ({item.code})", style)
        if item.allowed:
            yield Line(f"    allowed: {item.allowed}")
        if item.hint:
            yield Line(f"    hint: {item.hint}")
        for place in item.related:
            yield Line(f"    see also: {place}")
        if item.more_related:
            yield Line(f"    see also: {item.more_related} more")
    if any(count.values()):
        parts = [counted(number, severity) for severity, number in count.items() if number]
        yield Line(", ".join(parts), "bold")
