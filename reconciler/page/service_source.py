"""The page of a service: what its last run saw, and what routers and probes have reported since."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from reconciler.history.store import History
from reconciler.model.condition import Carriage, ConnectionCondition
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import Held, PlannedChange, Withheld
from reconciler.model.explanation import Explained
from reconciler.model.fabric import Fabric
from reconciler.model.isolation import attempt
from reconciler.model.judgement import Deferral, Refusal
from reconciler.model.plan import Resource
from reconciler.model.record import RunRecord
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.operations.explain import explain
from reconciler.page.changes import Changes
from reconciler.page.documents import CloneReader
from reconciler.page.samples import Samples
from reconciler.page.snapshot import RouterSeen, Snapshot, Waiting
from reconciler.service.fleet_state import FleetState
from reconciler.verify.carriage import with_carriage
from reconciler.verify.condition import as_reported, conditions

_FRESH = 1.0
"""Seconds for which a snapshot serves all browsers."""


class Followed(Protocol):
    """What follows the routers."""

    def followed(self) -> Mapping[str, bool]:
        """Whether each router that should be is followed now."""
        ...

    def up(self) -> Mapping[str, Mapping[tuple[str, str], datetime | None]]:
        """Of each router that is followed now: the tunnels with their children that are up."""
        ...


class Probed(Protocol):
    """What probes the connections."""

    def known(self) -> Iterable[Carriage]:
        """What is known of each of them."""
        ...


@dataclass(frozen=True, slots=True)
class _Run:
    """What is kept of the last run that saw routers: nothing that holds keys."""

    at: datetime
    commit: str
    fabric: Fabric
    connections: tuple[ConnectionCondition, ...]
    routers: Mapping[str, RouterSeen]
    differs: Mapping[Resource, PlannedChange]


class ServiceSource:
    """What a running service knows of its fleet."""

    def __init__(self, history: History, clone: CloneReader) -> None:
        self.changes = Changes()
        self.samples = Samples()
        self.history: History = history
        self.watch: Followed | None = None
        """What follows the routers, if anything does."""
        self.prober: Probed | None = None
        """What probes the connections, if anything does."""
        self._clone = clone
        self._changing = threading.Lock()
        self._seen: FleetState | None = None
        """Of the run that goes on."""
        self._run: _Run | None = None
        self._waits: tuple[Waiting, ...] = ()
        self._turned: dict[str, datetime] = {}
        self._made: tuple[int, float, Snapshot] | None = None

    @property
    def why_not(self) -> str:
        """A run that failed says so itself."""
        return ""

    def saw(self, seen: FleetState) -> None:
        """Take what a run has seen; it is shown when the run has ended."""
        self._seen = seen

    def ended(self, record: RunRecord) -> None:
        """Take a run."""
        seen, self._seen = self._seen, None
        waits = tuple(
            event for event in record.events if isinstance(event, Refusal | Deferral | Held | Withheld)
        )
        run = None if seen is None else _run_of(record, seen)
        with self._changing:
            self._run, self._waits = (run or self._run), waits
            self._made = None
        if (shown := self.snapshot()) is not None and run is not None:
            self.samples.take(record.finished, shown.connections)
        self.changes.changed()

    def happened(self, event: TunnelEvent) -> None:
        """Take what has happened to a tunnel."""
        if event.change in {TunnelChange.UP, TunnelChange.DOWN}:
            with self._changing:
                self._turned[event.tunnel] = event.at
        self.changes.changed()

    def snapshot(self) -> Snapshot | None:
        """The fleet now."""
        with self._changing:
            number, now = self.changes.number, time.monotonic()
            made = self._made
            if made is not None and made[0] == number and now - made[1] < _FRESH:
                return made[2]
            if self._run is None:
                return None
            shown = self._shown(self._run)
            self._made = (number, now, shown)
            return shown

    def explained(self, seen: Snapshot, ends: Sequence[str]) -> Mapping[str, list[Explained]]:
        """Where each value of some tunnel ends comes from. The documents are read for it, and not kept."""
        return explain(self._clone.load(seen.commit), seen.fabric, ends)

    def raw(self, commit: str) -> bytes:
        """A commit: headers, message."""
        return self._clone.raw(commit)

    def _shown(self, run: _Run) -> Snapshot:
        up = self.watch.up() if self.watch is not None else {}
        followed = self.watch.followed() if self.watch is not None else {}
        carried = (
            {one.connection: one for one in self.prober.known()}
            if self.prober is not None
            else self.history.carriages()
        )
        last_changes = attempt("history", "last changes", self.history.last_changes)
        changed = {} if isinstance(last_changes, TunnelwrightError) else last_changes
        now = as_reported(run.connections, up)
        known = with_carriage(now, carried, changed, datetime.now(UTC))
        return Snapshot(
            run.at,
            run.commit,
            run.fabric,
            known,
            {
                name: RouterSeen(seen.version, seen.data_plane, seen.absence, followed.get(name))
                for name, seen in run.routers.items()
            },
            run.differs,
            self._waits,
            {
                one.name: max(found)
                for one in known
                if (found := [self._turned[e.tunnel.name] for e in one.ends if e.tunnel.name in self._turned])
            },
        )


def _run_of(record: RunRecord, seen: FleetState) -> _Run:
    reasons = {what: change.reason for what, change in seen.differs.items()}
    states = seen.states
    return _Run(
        record.finished,
        record.in_force,
        seen.fabric,
        conditions(seen.fabric, seen.desired, states, seen.absent, reasons),
        {
            name: RouterSeen(
                states[name].version if name in states else "",
                states[name].data_plane if name in states else "",
                seen.absent.get(name),
            )
            for name in seen.fabric.routers
        },
        seen.differs,
    )
