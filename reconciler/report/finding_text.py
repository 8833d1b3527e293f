"""Findings of a diagnosis as text: the cause, the field to check, the evidence, a hint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.diagnosis import Finding
from reconciler.model.listing import counted
from reconciler.report.line import Line


def finding_lines(tunnels: Iterable[str], findings: Iterable[Finding]) -> Iterator[Line]:
    """One tunnel: what was found between its ends, or that nothing was."""
    items = list(findings)
    if not items:
        yield Line(f"✓ {' <-> '.join(tunnels)}: nothing found", "green")
    for item in items:
        mark, style = ("✗", "bold red") if item.failure else ("!", "yellow")
        yield Line(f"{mark} {item.tunnel} at {item.router}: {item.message} ({item.code})", style)
        yield Line(f"    field: {item.field} of {item.field.kind} {item.field.name}, {item.location}")
        for words in item.seen:
            yield Line(f"    seen: {words}", "dim")
        if item.hint:
            yield Line(f"    hint: {item.hint}")


def summary_line(tunnels: int, failures: int, warnings: int) -> Line:
    """How many tunnels were looked at, and how many findings are failures and warnings."""
    counts = ((failures, "finding"), (warnings, "warning"))
    found = " and ".join(counted(count, what) for count, what in counts if count) or "nothing is wrong"
    return Line(f"Diagnosed {counted(tunnels, 'tunnel')}: {found}.", "bold")
