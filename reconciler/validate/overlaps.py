"""Which of many address intervals overlap: sweeps over integers."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from reconciler.model.bounds import MOST_RELATED
from schemas.addresses import Interval


@dataclass(frozen=True, slots=True)
class Overlap:
    """What one interval overlaps, by indexes: `others` are some of them, `count` is how many there are."""

    index: int
    others: tuple[int, ...]
    count: int

    @property
    def more(self) -> int:
        """How many there are besides the first of `others`."""
        return self.count - 1


def overlaps_before(
    intervals: Sequence[Interval], groups: Sequence[str] | None = None, most: int = MOST_RELATED
) -> Iterator[Overlap]:
    """For each interval those that it overlaps and that begin before it; of two that begin with one address,
    the one with the greater index comes later. So each pair counts once, at one of its two. Intervals of one
    group do not count against one another.

    O(n log n) however many pairs there are: intervals are entered in the order of their first addresses, and
    those that end before it are left behind, so that all that remain overlap.
    """
    active: list[tuple[int, int]] = []
    of_group: Counter[str] = Counter()
    for index in sorted(range(len(intervals)), key=lambda i: (intervals[i].first, i)):
        first, last = intervals[index]
        while active and active[0][0] < first:
            _, gone = heapq.heappop(active)
            if groups is not None:
                of_group[groups[gone]] -= 1
        count = len(active) - (of_group[groups[index]] if groups is not None else 0)
        if count:
            others = (other for _, other in active if groups is None or groups[other] != groups[index])
            yield Overlap(index, tuple(islice(others, most)), count)
        heapq.heappush(active, (last, index))
        if groups is not None:
            of_group[groups[index]] += 1


def overlaps_with(
    intervals: Sequence[Interval], others: Sequence[Interval], most: int = MOST_RELATED
) -> Iterator[Overlap]:
    """For each interval those of `others` that it overlaps. O((n + m) log (n + m))."""
    order = sorted(range(len(others)), key=lambda i: (others[i].first, i))
    firsts = [others[index].first for index in order]
    active: list[tuple[int, int]] = []
    entered = 0
    for index in sorted(range(len(intervals)), key=lambda i: (intervals[i].first, i)):
        first, last = intervals[index]
        while entered < len(order) and firsts[entered] <= first:
            heapq.heappush(active, (others[order[entered]].last, order[entered]))
            entered += 1
        while active and active[0][0] < first:
            heapq.heappop(active)
        # What begins before it and has not ended, then what begins inside it.
        inside = bisect_right(firsts, last) - entered
        if active or inside:
            found = [other for _, other in active[:most]] + order[entered : entered + inside][:most]
            yield Overlap(index, tuple(found[:most]), len(active) + inside)


def overlapping(intervals: Sequence[Interval]) -> Iterator[tuple[int, int]]:
    """Every pair of overlapping intervals, as indexes (lesser, greater), each once.

    O(n log n + pairs): for what is known to overlap little.
    """
    active: list[tuple[int, int]] = []
    for index in sorted(range(len(intervals)), key=lambda i: (intervals[i].first, i)):
        first, last = intervals[index]
        while active and active[0][0] < first:
            heapq.heappop(active)
        for _, other in active:
            yield (other, index) if other < index else (index, other)
        heapq.heappush(active, (last, index))
