"""What guarded pairs of networks cover together."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.addresses import Interval, merged


class Coverage:
    """Pairs of (source, destination). Sources are few: what is covered from one of them is found once."""

    def __init__(self, pairs: Iterable[tuple[Interval, Interval]]) -> None:
        self._guards: dict[Interval, list[Interval]] = {}
        for source, destination in pairs:
            self._guards.setdefault(source, []).append(destination)
        self._from: dict[Interval, list[Interval]] = {}

    def destinations(self, source: Interval) -> list[Interval]:
        """The destinations to which all of a source is covered, sorted and apart."""
        if source not in self._from:
            self._from[source] = merged(
                part for other, parts in self._guards.items() if other.contains(source) for part in parts
            )
        return self._from[source]
