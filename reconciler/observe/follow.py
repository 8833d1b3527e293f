"""Follows the events of one router's charon, in a thread of its own and over one connection.

charon queues events for a slow reader without a bound (vici_socket.c), so they are read as they come; a
router that sends more of them than BUDGET allows is left alone for a while, and its charon is rid of the
queue. After any end of the connection it is made anew: first it subscribes, then it lists the SAs, so that
nothing falls in between.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from reconciler.facets.sas import events as sa_events
from reconciler.model import bounds
from reconciler.model.errors import CommandRejected, TunnelwrightError
from reconciler.model.fabric import Tunnel
from reconciler.model.isolation import attempt
from reconciler.model.tunnel_event import TunnelEvent
from reconciler.observe.standing import Child, Standing
from reconciler.observe.state import read_sas
from reconciler.routers.fleet import of_router
from reconciler.routers.protocol import Connect, Router

_log = logging.getLogger("tunnelwright.events")

Receive: TypeAlias = Callable[[tuple[TunnelEvent, ...]], None]
"""Takes what has happened; it neither waits nor fails."""


class EventsFlooded(TunnelwrightError):
    """A router has sent more events than it may; it is followed again after a pause."""


@dataclass(slots=True)
class Budget:
    """How many events a router may send: `burst` at once, and `rate` a second. `now` is a time in seconds."""

    burst: int
    rate: float
    now: float
    _spent: float = 0.0

    def spend(self, now: float, count: int) -> bool:
        """Whether so many more are within it."""
        self._spent = max(0.0, self._spent - (now - self.now) * self.rate) + count
        self.now = now
        return self._spent <= self.burst


class Follower:
    """One router that is followed until `stop`. `receive` gets what happens, in order."""

    def __init__(self, router: str, connect: Connect, tunnels: Collection[Tunnel], receive: Receive) -> None:
        self.router = router
        self.connect = connect
        self._receive = receive
        self._standing = Standing(router, tunnels)
        self._changing = threading.Lock()
        self._budget = Budget(bounds.EVENTS_BURST, bounds.EVENTS_PER_SECOND, time.monotonic())
        self._over = threading.Event()
        self._followed = False
        self._why = ""
        self._thread = threading.Thread(target=self._work, name=f"events of {router}", daemon=True)

    def start(self) -> None:
        """Begin. Raises RuntimeError when no thread can be started."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; nothing waits for it."""
        self._over.set()

    def follow(self, connect: Connect, tunnels: Collection[Tunnel]) -> None:
        """Take what a newer desired state says; a connection that stands is kept."""
        with self._changing:
            self.connect = connect
            self._standing.follow(tunnels)

    @property
    def why_not(self) -> str:
        """Why the router is not followed now; empty while it is."""
        return "" if self._followed else self._why or "it is not connected yet"

    def up(self) -> Mapping[Child, datetime | None] | None:
        """The children that have CHILD_SAs now, and since when; None while that is not known."""
        with self._changing:
            return self._standing.up() if self._followed else None

    def _work(self) -> None:
        failures = 0
        while not self._over.is_set():
            began = time.monotonic()
            ended = attempt("events", self.router, self._follow)
            self._followed = False
            if self._over.is_set():
                return
            # What ends after it has lasted was well: a charon that restarts is back in a second.
            failures = 0 if time.monotonic() - began > bounds.FOLLOWED_WELL else failures + 1
            self._say(ended)
            long = isinstance(ended, EventsFlooded)
            pause = bounds.FOLLOW_LONGEST if long else min(2.0**failures / 4, bounds.FOLLOW_LONGEST)
            self._over.wait(pause)

    def _say(self, ended: TunnelwrightError | None) -> None:
        """Log why, once as long as it stays the same."""
        why = ended.message if ended is not None else "it closed the session"
        if why != self._why and isinstance(ended, EventsFlooded):
            _log.warning(
                "the events of %s are not followed for %g s: %s", self.router, bounds.FOLLOW_LONGEST, why
            )
        self._why = why

    def _follow(self) -> None:
        """Until the connection ends. Raises what a router raises, and EventsFlooded."""
        with of_router(self.router), self.connect(self.router) as router:
            if not router.vici.subscribe(*sa_events.EVENTS):
                raise CommandRejected("charon has no events", router=self.router, operation="events")
            listed = self._list(router)
            self._followed, self._why = True, ""
            while not self._over.is_set():
                event = router.vici.next_event(bounds.FOLLOW_TICK)
                if event is not None:
                    self._take(*event)
                if time.monotonic() - listed > bounds.FOLLOW_LISTED:
                    listed = self._list(router)

    def _list(self, router: Router) -> float:
        """Take the SAs that there are: at first, and now and then, so that no event that was misunderstood
        counts for ever. The time of it."""
        running = read_sas(router.vici)
        with self._changing:
            events = self._standing.listed(running, datetime.now(UTC))
        self._receive(events)
        return time.monotonic()

    def _take(self, name: str, message: Mapping[str, object]) -> None:
        events = sa_events.decode(name, message)
        # A message without any costs as much; one may hold as many as it has room for.
        if not self._budget.spend(time.monotonic(), max(1, len(events))):
            raise EventsFlooded(
                f"more than {bounds.EVENTS_BURST:,} events at once", router=self.router, operation="events"
            )
        now = datetime.now(UTC)
        with self._changing:
            found = tuple(item for event in events for item in self._standing.reported(event, now))
        if found:
            self._receive(found)
