"""Verdicts as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.outcome import Check
from reconciler.report.line import Line


def check_lines(checks: Iterable[Check]) -> Iterator[Line]:
    """Each check with its evidence."""
    for check in checks:
        mark, style = ("✓", "green") if check.passed else ("✗", "bold red")
        yield Line(f"  {mark} {check.name}: {check.evidence}", style)
