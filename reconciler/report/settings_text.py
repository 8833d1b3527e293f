"""The settings of the reconciler that count, each with where it was said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from reconciler.model.diagnostic import Location
from reconciler.report.line import Line

Said: TypeAlias = tuple[str, object, Location]
"""Dotted path, value, and where it was said."""


def setting_lines(said: Sequence[Said]) -> Iterator[Line]:
    """One line a setting, in columns."""
    rows = [(path, _shown(value), str(where)) for path, value, where in said]
    first, second = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    for path, value, where in rows:
        yield Line(f"{path:{first}}  {value:{second}}  {where}")


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
