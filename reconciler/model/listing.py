"""Names and counts in a sentence."""

from __future__ import annotations

from collections.abc import Iterable

MOST_NAMES = 6
"""More names than these do not fit on a line."""


def listed(names: Iterable[str], most: int = MOST_NAMES, *, between: str = ", ") -> str:
    """`a, b and 3 more`."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return between.join(found[:most]) + more


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun, `1 check` or `2,000 checks`; give the `plural` if it does not end in s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
