"""Which of many address intervals overlap: one sweep over integers."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from schemas.addresses import Interval


def overlapping(intervals: Sequence[Interval]) -> Iterator[tuple[int, int]]:
    """Every pair of overlapping intervals, as indexes (lesser, greater).

    O(n log n + pairs): the intervals are entered in order of their first address, and those that end
    before it are left behind, so that all that remain overlap.
    """
    active: list[tuple[int, int]] = []
    for index in sorted(range(len(intervals)), key=lambda i: (intervals[i].first, i)):
        first, last = intervals[index]
        while active and active[0][0] < first:
            heapq.heappop(active)
        for _, other in active:
            yield (other, index) if other < index else (index, other)
        heapq.heappush(active, (last, index))
