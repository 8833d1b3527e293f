"""Names in a sentence: some of them, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable

MOST_NAMES = 6
"""More than these nobody reads in one line."""


def listed(names: Iterable[str], most: int = MOST_NAMES, *, between: str = ", ") -> str:
    """`a, b and 3 more`."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return between.join(found[:most]) + more
