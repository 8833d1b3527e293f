"""When which connections are probed, within a budget of packets for each router. Pure.

The rounds of a router are spread over the interval by its name, so that those of many routers do not come at
once. What exceeds the budget of a router makes its shortest intervals longer. A round also waits while other
rounds, which go on side by side, use the budget of a router that it sends to. Times are seconds of a clock
that only goes forward, which the caller reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final
from zlib import crc32

from reconciler.model import bounds
from reconciler.service.schedule import LONGEST_RETRY, retry_after

AGAIN: Final = 10.0
"""Seconds until the next round where the last one has shown something new; more, if the budget of a router
would not do for all of its connections."""
_ROUNDING: Final = 1.0005
"""Times the budget that are not more than it."""
BURST: Final = 1.0
"""Seconds of its budget that a router may send and answer at once."""


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
        self._held: dict[str, float] = {}
        """Until when a router that is due waits for budgets."""
        self._used: dict[str, float] = {}
        """Until when the budget of each router is used up by the rounds that have begun."""
        self._busy: set[str] = set()
        self._failures: Counter[str] = Counter()
        self.shortest: Mapping[str, float] = {}
        """Router -> the shortest interval that its budget allows, where tunnels should have a shorter one."""

    def follow(self, ways: Iterable[Way], now: float) -> None:
        """Probe these from now on, and no others."""
        wanted = list(ways)
        through: dict[str, list[Way]] = {}
        for way in wanted:
            for router in way.routers:
                through.setdefault(router, []).append(way)
        shortest = {router: _shortest(own, self._pace) for router, own in through.items()}
        self.shortest = {router: seconds for router, seconds in shortest.items() if seconds}
        whole = {router: sum(way.requests for way in own) / self._pace for router, own in through.items()}
        before, self._of = self._of, {}
        for way in wanted:
            interval = max(way.interval, *(shortest[router] for router in way.routers))
            soon = max(AGAIN, *(whole[router] for router in way.routers))
            known = before.get(way.router, {}).get(way.name)
            # One whose interval has become shorter does not wait for the end of the longer one.
            at = _next(way.router, interval, now) if known is None else min(known.at, now + interval)
            due = _Due(way, interval, min(soon, interval), at)
            self._of.setdefault(way.router, {})[way.name] = due
        self._at = {router: _first(due) for router, due in self._of.items()}
        self._held = {}
        self._used = {router: until for router, until in self._used.items() if router in through}

    def take(self, now: float) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The rounds that are due, those that have waited longest first: a router, and which of its
        connections. Each router is busy until `ended` or `failed`."""
        waiting = sorted(
            (at, router)
            for router, at in self._at.items()
            if max(at, self._held.get(router, 0.0)) <= now and router not in self._busy
        )
        for _, router in waiting:
            if names := tuple(self._taken(router, now)):
                self._busy.add(router)
                yield router, names

    def ended(self, router: str, taken: Collection[str], now: float, again: Collection[str] = ()) -> None:
        """A round has ended. Those of `again` have shown something new, and are probed again soon."""
        self._failures.pop(router, None)
        due = self._of.get(router, {})
        for name in due.keys() & set(taken):
            one = due[name]
            # By when it was due, not by when its turn came: each of many that wait gets as many turns. What
            # was late is not made up for at once.
            regular = _next(router, one.interval, one.at + one.interval / 2)
            pause = min(one.soon, one.interval / 2)
            one.at = now + one.soon if name in again else max(regular, now + pause)
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
        idle = (
            max(at, self._held.get(router, 0.0))
            for router, at in self._at.items()
            if router not in self._busy
        )
        return min(idle, default=float("inf"))

    def intervals(self) -> Mapping[str, float]:
        """Router -> the seconds between two of its rounds, budgets included."""
        return {router: min(one.interval for one in due.values()) for router, due in self._of.items()}

    def interval(self, way: Way) -> float:
        """The seconds between two rounds of a connection, budgets included."""
        due = self._of.get(way.router, {}).get(way.name)
        return way.interval if due is None else due.interval

    def _rests(self, router: str) -> None:
        self._busy.discard(router)
        if router in self._of:
            self._at[router] = _first(self._of[router])

    def _taken(self, router: str, now: float) -> Iterator[str]:
        """As many as one visit may send packets for, and as the budgets of both ends allow now; the others
        are due still."""
        due = [one for one in self._of[router].values() if one.at <= now]
        count, ready = 0, float("inf")
        for one in sorted(due, key=lambda one: (one.at, one.way.name)):
            way = one.way
            if not way.requests:
                yield way.name
                continue
            # Its own packets begin when those before it have been sent.
            begins = count * way.requests / self._pace
            ends = (count + 1) * way.requests / self._pace
            if count and (ends > bounds.PROBE_VISIT_SECONDS or count == bounds.PROBE_WAYS):
                ready = now
                break
            free = max(self._used.get(end, 0.0) for end in way.routers) - BURST
            if free > now + begins:
                ready = min(ready, free - begins)
                continue
            for end in way.routers:
                self._used[end] = max(self._used.get(end, 0.0), now) + way.requests / self._pace
            count += 1
            yield way.name
        self._held[router] = ready if ready < float("inf") else 0.0


def _shortest(ways: Iterable[Way], pace: float) -> float:
    """The shortest interval with which the packets of all of them are within a budget; 0 where it is as they
    say. Those with longer intervals keep theirs, so that one tunnel that is probed often takes nothing from
    the others."""
    paced = sorted((way for way in ways if way.requests), key=lambda way: way.interval)
    rest = sum(way.requests / way.interval for way in paced)
    if rest <= pace * _ROUNDING:
        return 0.0
    requests, found = 0, 0.0
    for way, following in zip_longest(paced, paced[1:]):
        requests += way.requests
        rest -= way.requests / way.interval
        if rest < pace:
            found = requests / (pace - rest)
            if following is None or found <= following.interval:
                break
    return round(found, 3)


def _first(due: Mapping[str, _Due]) -> float:
    return min(one.at for one in due.values())


def _next(router: str, interval: float, now: float) -> float:
    """The next of a router's times."""
    phase = crc32(router.encode()) / 2**32 * interval
    return phase + ((now - phase) // interval + 1) * interval
