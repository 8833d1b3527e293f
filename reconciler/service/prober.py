"""Proof between runs: the tunnels of the desired state in force are probed at an interval, and what that
shows is kept, counted and reported.

Each round of a router is one visit in a thread of its own, so one that is slow costs itself alone. Nothing
stays on a router when a visit has ended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from reconciler.history.kept import Kept
from reconciler.model import bounds
from reconciler.model.absence import Absence
from reconciler.model.condition import IMPAIRED, Carriage, State
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.model.isolation import attempt
from reconciler.model.listing import listed
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.observe.visit import Visit, visit
from reconciler.routers.fleet import Fleet
from reconciler.service.probe_targets import Target, targets
from reconciler.service.rounds import Rounds
from reconciler.verify.carriage import Memory, Reading, after, begun, counters_of
from reconciler.verify.condition import running_of, standing

_log = logging.getLogger("tunnelwright.probes")
_NAMED = 5
"""Routers that one warning names."""
_CHANGES = {
    State.SILENT: TunnelChange.IMPAIRED,
    State.DEGRADED: TunnelChange.IMPAIRED,
    State.CARRYING: TunnelChange.CARRYING,
}
"""What is reported of a tunnel; that one is down its router reports by itself."""


class Prober:
    """Probes the connections of a service until `close`. `report` gets each lasting change; `wake` is called
    for a run that reports it."""

    def __init__(
        self,
        history: Kept,
        report: Callable[[TunnelEvent], None],
        wake: Callable[[str], None],
        interval: float,
        pace: int,
    ) -> None:
        """`interval` in seconds, where a document says no other; `pace` is a router's budget of echo requests
        a second."""
        self._history = history
        self._report = report
        self._wake = wake
        self._interval = interval
        self._pace = pace
        self._rounds = Rounds(pace)
        self._targets: dict[str, Target] = {}
        self._memories = {name: begun(known) for name, known in history.carriages().items()}
        self._fabric: Fabric | None = None
        self._fleet: Fleet | None = None
        self._running = 0
        self._unwritten: set[str] = set()
        self._written = self._woken = float("-inf")
        self._impaired = False
        """Whether something is that no run was started for."""
        self._said: frozenset[str] = frozenset()
        self._over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="probes", daemon=True)
        self._thread.start()

    def follow(self, fabric: Fabric, fleet: Fleet) -> None:
        """Probe the connections of a desired state, and no others."""
        if fabric is self._fabric:
            return
        found = {target.way.name: target for target in targets(fabric, self._interval)}
        now = datetime.now(UTC)
        with self._changed:
            self._targets, self._fabric, self._fleet = found, fabric, fleet
            self._memories = {name: self._remembered(target, now) for name, target in found.items()}
            self._rounds.follow((target.way for target in found.values()), time.monotonic())
            self._changed.notify()
        self._say_longer()

    def known(self) -> tuple[Carriage, ...]:
        """What is known of each connection, by name."""
        with self._changed:
            return tuple(memory.carriage for _, memory in sorted(self._memories.items()))

    def intervals(self) -> Mapping[str, float]:
        """Router -> the seconds between two of its rounds."""
        with self._changed:
            return self._rounds.intervals()

    def impaired(self) -> tuple[Carriage, ...]:
        """Connections that carry nothing, or less well than they should."""
        return tuple(one for one in self.known() if one.state in IMPAIRED)

    def close(self) -> None:
        """Write what is left, and end; visits end by themselves soon after."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join(bounds.HISTORY_SECONDS)

    def _remembered(self, target: Target, now: datetime) -> Memory:
        """What is known of a connection; nothing of one that is probed from elsewhere, or to elsewhere."""
        known, way = self._memories.get(target.way.name), target.way
        where = (way.router, target.tunnel.name, target.request.destination)
        if (
            known is not None
            and (known.carriage.router, known.carriage.tunnel, known.carriage.target) == where
        ):
            return known
        router, tunnel, destination = where
        reason = "it was not probed yet"
        carriage = Carriage(way.name, router, tunnel, State.UNKNOWN, reason, now, now, target=destination)
        return begun(carriage)

    def _say_longer(self) -> None:
        """Whose budget makes intervals longer, once as long as it is the same routers."""
        shortest = self._rounds.shortest
        if shortest.keys() != self._said:
            self._said = frozenset(shortest)
            if shortest:
                named = listed((f"{name} ({most:.0f} s)" for name, most in sorted(shortest.items())), _NAMED)
                _log.warning("the budget of probes makes the interval longer at %s", named)

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._over:
                    break
                begun_now = self._take(time.monotonic())
                if not begun_now:
                    self._changed.wait(self._pause(time.monotonic()))
            for router, names, fleet in begun_now:
                self._begin(router, names, fleet)
            if time.monotonic() - self._written >= bounds.PROBES_WRITTEN:
                self._write()
            self._wake_when_due()
        self._write()

    def _pause(self, now: float) -> float:
        """Seconds until there may be something to do. While no more routers may be visited at a time, however
        many are due, that is when a visit ends, which is notified."""
        if self._full():
            return bounds.PROBES_WRITTEN
        return min(max(0.0, self._rounds.next_due() - now), bounds.PROBES_WRITTEN)

    def _full(self) -> bool:
        return self._fleet is not None and self._running >= self._fleet.parallelism

    def _take(self, now: float) -> list[tuple[str, tuple[str, ...], Fleet]]:
        """The rounds to begin, no more at a time than the fleet may be worked on."""
        if self._fleet is None or self._full():
            return []
        taken = []
        for router, names in self._rounds.take(now):
            taken.append((router, names, self._fleet))
            self._running += 1
            if self._full():
                break
        return taken

    def _begin(self, router: str, names: tuple[str, ...], fleet: Fleet) -> None:
        work = partial(self._round, router, names, fleet)
        thread = threading.Thread(target=work, name=f"probes of {router}", daemon=True)
        if isinstance(attempt("thread", router, thread.start), TunnelwrightError):
            self._rest(router, failed=True)

    def _round(self, router: str, names: tuple[str, ...], fleet: Fleet) -> None:
        again = attempt("probes", router, partial(self._visited, router, names, fleet))
        if isinstance(again, TunnelwrightError):
            self._rest(router, failed=True)
        else:
            self._rest(router, names, again, failed=False)

    def _visited(self, router: str, names: tuple[str, ...], fleet: Fleet) -> frozenset[str]:
        """The connections that are to be probed again soon. Raises what has kept the router from answering,
        once that is noted."""
        with self._changed:
            wanted = {name: self._targets[name] for name in names if name in self._targets}
        requests = {name: target.request for name, target in wanted.items()}
        quota = fleet.within(lambda _: bounds.ROUTER_OBSERVATION_SECONDS_IN_ALL, "one round of probes")
        with quota.kept() as sessions:
            found = sessions.one(router, partial(visit, requests=requests, pace=self._pace))
        away = Absence.of(found).sentence(router) if isinstance(found, TunnelwrightError) else ""
        again = self._noted(wanted, found, away, datetime.now(UTC))
        if isinstance(found, TunnelwrightError):
            raise found
        return again

    def _noted(
        self, wanted: Mapping[str, Target], found: Visit | TunnelwrightError, away: str, now: datetime
    ) -> frozenset[str]:
        """Take what a round has shown; the connections that are to be probed again soon."""
        events, again = [], set()
        with self._changed:
            for name, target in wanted.items():
                before = self._memories.get(name)
                # While it was probed it may have gone, or got another target.
                if before is None or self._targets.get(name) != target:
                    continue
                interval = self._rounds.interval(target.way)
                memory = after(before, _reading(target, found, away), now, interval)
                self._memories[name] = memory
                self._unwritten.add(name)
                if memory.pending:
                    again.add(name)
                if memory.carriage.state is not before.carriage.state:
                    events += _events(memory.carriage, before)
        for event in events:
            attempt("report", "an event", partial(self._report, event))
        if events:
            self._history.add_tunnel_events(events)
        if any(event.change is TunnelChange.IMPAIRED for event in events):
            # A run sends the notifications.
            with self._changed:
                self._impaired = True
                self._changed.notify()
        return frozenset(again)

    def _wake_when_due(self) -> None:
        """Start a run for what is impaired since the last one that was started, not too often."""
        now = time.monotonic()
        with self._changed:
            if not self._impaired or now - self._woken < bounds.PROBES_WOKEN:
                return
            self._impaired, self._woken = False, now
        self._wake("probes")

    def _rest(
        self, router: str, names: tuple[str, ...] = (), again: frozenset[str] = frozenset(), *, failed: bool
    ) -> None:
        with self._changed:
            self._running -= 1
            if failed:
                self._rounds.failed(router, time.monotonic())
            else:
                self._rounds.ended(router, names, time.monotonic(), again)
            self._changed.notify()

    def _write(self) -> None:
        """Keep what is new, of all routers in one transaction."""
        self._written = time.monotonic()
        with self._changed:
            rows = [self._memories[name].carriage for name in self._unwritten if name in self._memories]
            self._unwritten.clear()
        if rows:
            attempt("history", "carriages", partial(self._history.carry, rows))


def _reading(target: Target, found: Visit | TunnelwrightError, away: str) -> Reading:
    if not target.tunnel.enabled:
        return Reading(State.DISABLED)
    if isinstance(found, TunnelwrightError):
        return Reading(State.UNKNOWN, away)
    running = running_of(target.tunnel, found.sas)
    state, reason = standing(target.tunnel, running, target.children)
    return Reading(state, reason, counters_of(running), found.echoes.get(target.way.name))


def _events(now: Carriage, before: Memory) -> list[TunnelEvent]:
    change, then = _CHANGES.get(now.state), before.carriage
    # That a new one carries is nothing to report; one that was impaired before is not new.
    if change is None or (
        change is TunnelChange.CARRYING and then.state is State.UNKNOWN and not before.impaired
    ):
        return []
    detail = f"{now.state}: {now.reason}" if change is TunnelChange.IMPAIRED else ""
    lasted = max(0, int((now.since - then.since).total_seconds()))
    return [TunnelEvent(now.at, now.router, now.tunnel, change, detail=detail, seconds=lasted)]
