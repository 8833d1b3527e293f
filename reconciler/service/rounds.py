"""When which connections are probed, within a budget of packets for each router. Pure.

The rounds of a router are spread over the interval by its name, so that those of many routers do not come at
once. What exceeds the budget of a router makes the intervals of its connections longer. Times are seconds of
a clock that only goes forward, which the caller reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from reconciler.model import bounds
from reconciler.service.schedule import LONGEST_RETRY, retry_after

AGAIN: Final = 10.0
"""Seconds until the next round where the last one has shown something new; more, if the budget of a router
would not do for all of its connections."""


@dataclass(frozen=True, slots=True)
class Way:
    """One connection to probe from a router. `requests` count at that router, and at the managed one at the
    other end; 0 where only counters are read."""

    name: str
    router: str
    interval: float
    requests: int = 0
    other: str = ""

    @property
    def routers(self) -> tuple[str, ...]:
        """Those that send its packets, or answer them."""
        return (self.router, self.other) if self.other else (self.router,)


@dataclass(slots=True)
class _Due:
    """A connection, with the interval that the budgets allow, and when it is due."""

    way: Way
    interval: float
    soon: float
    at: float


class Rounds:
    """The schedule of all connections. `pace` is how many echo requests a second a router may send and
    answer. One round of a router at a time."""

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._of: dict[str, dict[str, _Due]] = {}
        """Router -> its connections."""
        self._at: dict[str, float] = {}
        """When each router has something to do next."""
        self._busy: set[str] = set()
        self._failures: Counter[str] = Counter()
        self.stretched: Mapping[str, float] = {}
        """Router -> how many times as long as they should be the intervals at it are, where its budget allows
        no more."""

    def follow(self, ways: Iterable[Way], now: float) -> None:
        """Probe these from now on, and no others."""
        wanted = list(ways)
        load: dict[str, float] = {}
        whole: Counter[str] = Counter()
        for way in wanted:
            for router in way.routers:
                load[router] = load.get(router, 0.0) + way.requests / way.interval
                whole[router] += way.requests
        times = {router: round(rate / self._pace, 3) for router, rate in load.items()}
        self.stretched = {router: factor for router, factor in times.items() if factor > 1}
        before, self._of = self._of, {}
        for way in wanted:
            interval = way.interval * max(self.stretched.get(router, 1.0) for router in way.routers)
            soon = max(AGAIN, *(whole[router] / self._pace for router in way.routers))
            known = before.get(way.router, {}).get(way.name)
            # One whose interval has become shorter does not wait for the end of the longer one.
            at = _next(way.router, interval, now) if known is None else min(known.at, now + interval)
            due = _Due(way, interval, min(soon, interval), at)
            self._of.setdefault(way.router, {})[way.name] = due
        self._at = {router: _first(due) for router, due in self._of.items()}

    def take(self, now: float) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The rounds that are due, those that have waited longest first: a router, and which of its
        connections. Each router is busy until `ended` or `failed`."""
        waiting = sorted(
            (at, router) for router, at in self._at.items() if at <= now and router not in self._busy
        )
        for _, router in waiting:
            self._busy.add(router)
            yield router, tuple(self._taken(router, now))

    def ended(self, router: str, taken: Collection[str], now: float, again: Collection[str] = ()) -> None:
        """A round has ended. Those of `again` have shown something new, and are probed again soon."""
        self._failures.pop(router, None)
        due = self._of.get(router, {})
        for name in due.keys() & set(taken):
            one = due[name]
            # By when it was due, not by when its turn came: each of many that wait gets as many turns.
            regular = _next(router, one.interval, one.at + one.interval / 2)
            one.at = now + one.soon if name in again else max(regular, now)
        self._rests(router)

    def failed(self, router: str, now: float) -> None:
        """The router did not answer: it is asked ever more seldom."""
        self._failures[router] += 1
        pause = min(LONGEST_RETRY, max(AGAIN, retry_after(self._failures[router])))
        for one in self._of.get(router, {}).values():
            one.at = now + pause
        self._rests(router)

    def next_due(self) -> float:
        """When there is something to do next, as far as no round goes on."""
        idle = (at for router, at in self._at.items() if router not in self._busy)
        return min(idle, default=float("inf"))

    def intervals(self) -> Mapping[str, float]:
        """Router -> the seconds between two of its rounds, budgets included."""
        return {router: min(one.interval for one in due.values()) for router, due in self._of.items()}

    def _rests(self, router: str) -> None:
        self._busy.discard(router)
        if router in self._of:
            self._at[router] = _first(self._of[router])

    def _taken(self, router: str, now: float) -> Iterator[str]:
        """As many as one visit may send packets for; the others are due still."""
        room = self._pace * bounds.PROBE_VISIT_SECONDS
        due = self._of[router]
        for first, name in enumerate(
            sorted((name for name in due if due[name].at <= now), key=lambda name: (due[name].at, name))
        ):
            room -= due[name].way.requests
            if room < 0 and first:
                return
            yield name


def _first(due: Mapping[str, _Due]) -> float:
    return min(one.at for one in due.values())


def _next(router: str, interval: float, now: float) -> float:
    """The next of a router's times."""
    phase = crc32(router.encode()) / 2**32 * interval
    return phase + ((now - phase) // interval + 1) * interval
