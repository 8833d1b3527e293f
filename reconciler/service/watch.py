"""What happens to tunnels between runs: every router of the desired state is followed, and what its charon
reports is logged, counted and kept.

Each router has a thread of its own (`observe/follow.py`), so one that is broken, slow or floods costs itself
alone. They put what happens into one backlog with a bound (`backlog.py`); one thread empties it, so that no
router waits for the disk.
"""

from __future__ import annotations

import logging
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from reconciler.history.kept import Kept
from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.isolation import attempt
from reconciler.model.tunnel_event import LASTING, TunnelChange, TunnelEvent
from reconciler.observe.follow import Follower
from reconciler.observe.standing import Child
from reconciler.routers.fleet import Fleet
from reconciler.service.backlog import Backlog
from reconciler.service.metric_families import ALERTS, DOWNS, EVENTS_DROPPED, FAILED_ATTEMPTS, REKEYS

_log = logging.getLogger("tunnelwright.events")
_COUNTED = {
    TunnelChange.DOWN: DOWNS,
    TunnelChange.FAILED: FAILED_ATTEMPTS,
    TunnelChange.REKEYED: REKEYS,
    TunnelChange.ALERT: ALERTS,
}


class Watch:
    """Follows the routers of a service until `close`. `receive` gets each event as it comes; `wake` is called
    when a tunnel stays down."""

    def __init__(
        self,
        history: Kept,
        receive: Callable[[TunnelEvent], None],
        wake: Callable[[str], None],
        most: int | None = None,
    ) -> None:
        """`most` is how many routers are followed at a time; as many as there are file descriptors for."""
        self._history = history
        self._receive = receive
        self._wake = wake
        self._most = _most_followed() if most is None else most
        self._followers: dict[str, Follower] = {}
        self._changing = threading.Lock()
        # What finds no room is counted, and not kept: the state that metrics show is right all the same.
        self._backlog = Backlog(bounds.EVENTS_QUEUED)
        self._over = threading.Event()
        self._down: dict[tuple[str, str, str], float] = {}
        self._lasting: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._woken = float("-inf")
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)
        self._thread.start()

    def follow(self, fabric: Fabric, fleet: Fleet) -> None:
        """Follow the routers of a desired state, and no others."""
        tunnels: dict[str, list[Tunnel]] = {}
        for tunnel in fabric.tunnels.values():
            if tunnel.enabled:
                tunnels.setdefault(tunnel.router, []).append(tunnel)
        wanted = sorted(tunnels)
        if len(wanted) > self._most:
            _log.warning("of %d routers only %d are followed: raise LimitNOFILE", len(wanted), self._most)
        with self._changing:
            for name in set(self._followers) - set(wanted[: self._most]):
                self._followers.pop(name).stop()
            for name in wanted[: self._most]:
                if name in self._followers:
                    self._followers[name].follow(fleet.connect, tunnels[name])
                    continue
                follower = Follower(name, fleet.connect, tunnels[name], self._backlog.put)
                if not isinstance(attempt("thread", name, follower.start), TunnelwrightError):
                    self._followers[name] = follower

    def followed(self) -> Mapping[str, bool]:
        """Whether each router that should be is followed now."""
        with self._changing:
            return {name: not follower.why_not for name, follower in self._followers.items()}

    def up(self) -> Mapping[str, Mapping[Child, datetime | None]]:
        """The children that have CHILD_SAs, and since when, of each router that is followed now."""
        with self._changing:
            followers = dict(self._followers)
        found = {name: follower.up() for name, follower in followers.items()}
        return {name: children for name, children in found.items() if children is not None}

    def close(self) -> None:
        """Write what is left, and end; connections end by themselves soon after."""
        with self._changing:
            for follower in self._followers.values():
                follower.stop()
        self._over.set()
        self._thread.join(bounds.HISTORY_SECONDS)

    def _work(self) -> None:
        while not (self._over.is_set() and self._backlog.empty):
            # Within this time it also notices what has stayed down, and the end.
            batch = self._backlog.take(bounds.EVENTS_WRITTEN, bounds.DOWN_SECONDS / 4)
            attempt("events", "tunnel events", partial(self._write, batch))
            attempt("events", "tunnels that stay down", self._wake_for_what_stays_down)

    def _write(self, batch: list[TunnelEvent]) -> None:
        counts: Counter[tuple[str, str]] = Counter()
        for router, count in self._backlog.dropped().items():
            counts[EVENTS_DROPPED.name, router] += count
        kept = []
        for event in batch:
            self._note(event)
            if (family := _COUNTED.get(event.change)) is not None:
                more = {TunnelChange.REKEYED: event.detail, TunnelChange.ALERT: event.detail}.get(
                    event.change
                )
                labels = (event.router, event.tunnel, *([more] if more is not None else []))
                counts[family.name, " ".join(labels)] += 1
            if event.change is not TunnelChange.REKEYED and self._is_new(event):
                kept.append(event)
                attempt("report", "an event", partial(self._receive, event))
        if counts:
            self._history.count(counts)
        if kept:
            self._history.add_tunnel_events(kept)

    def _note(self, event: TunnelEvent) -> None:
        """Remember what is down, and since when by this machine's clock."""
        child = (event.router, event.tunnel, event.child)
        if event.change is TunnelChange.DOWN:
            self._down[child] = time.monotonic()
        elif event.change is TunnelChange.UP:
            self._down.pop(child, None)

    def _is_new(self, event: TunnelEvent) -> bool:
        """Whether it says more than what was kept since the tunnel went up or down last."""
        end = (event.router, event.tunnel)
        if event.change not in LASTING:
            self._lasting.pop(end, None)
            return True
        said = self._lasting.setdefault(end, set())
        known = (event.change.value, event.detail)
        if known in said or len(said) == bounds.EVENTS_LASTING:
            return False
        said.add(known)
        return True

    def _wake_for_what_stays_down(self) -> None:
        """A run reports what is down, and notifies. What was up again at once needs none."""
        now = time.monotonic()
        stay = [child for child, since in self._down.items() if now - since >= bounds.DOWN_SECONDS]
        if stay and now - self._woken >= bounds.DOWN_RUNS:
            for child in stay:
                del self._down[child]
            self._woken = now
            self._wake("down")


def _most_followed() -> int:
    """For how many routers there are file descriptors, beside those for all else. The soft limit is raised to
    the hard one (setrlimit(2))."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    attempt("events", "RLIMIT_NOFILE", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard)))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return bounds.FOLLOWED_ROUTERS
    room = soft - min(bounds.FOLLOWED_RESERVE, soft // 2)
    return min(bounds.FOLLOWED_ROUTERS, room // bounds.FOLLOWED_DESCRIPTORS)
