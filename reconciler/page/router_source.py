"""The page without a service: routers are observed at an interval, and compared with a working tree or a
revision."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from reconciler.history.store import History
from reconciler.load import Loaded
from reconciler.model.bounds import FIELDS_WRITTEN
from reconciler.model.errors import SourceUnavailable, TunnelwrightError
from reconciler.model.events import PlannedChange
from reconciler.model.explanation import Explained
from reconciler.model.fabric import Fabric
from reconciler.model.isolation import attempt
from reconciler.operations.explain import explain
from reconciler.operations.planning import Planning
from reconciler.operations.status import status_of
from reconciler.page.changes import Changes
from reconciler.page.documents import CloneReader
from reconciler.page.samples import Samples
from reconciler.page.snapshot import RouterSeen, Snapshot
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore

Read = Callable[[], tuple[Loaded, Fabric]]
"""Reads and validates the desired state. Raises TunnelwrightError."""


class RouterSource:
    """What the routers of a desired state show. `observe` is called again and again, by one thread."""

    def __init__(
        self,
        read: Read,
        store: SecretStore,
        fleet_of: Callable[[Fabric], Fleet],
        history: History | None = None,
        clone: CloneReader | None = None,
        *,
        shown: Callable[[str], str] = str,
    ) -> None:
        """`shown` gives a sentence without what it must not repeat."""
        self.changes = Changes()
        self.samples = Samples()
        self.history: History | None = history
        self._read = read
        self._store = store
        self._fleet_of = fleet_of
        self._clone = clone
        self._shown_text = shown
        self._changing = threading.Lock()
        self._loaded: tuple[Loaded, Fabric] | None = None
        self._shown: Snapshot | None = None
        self.why_not = ""

    def observe(self) -> TunnelwrightError | None:
        """Read the desired state, and observe its routers. A desired state that cannot be read leaves the one
        before in place, which the page says. The error that has kept it from being shown, if any;
        `why_not` has it in words."""
        failed = self._observe()
        why = "" if failed is None else f"{failed.message}{f' ({failed.hint})' if failed.hint else ''}"
        why = self._shown_text(why)
        if why != self.why_not:
            self.why_not = why
            self.changes.changed()
        return failed

    def _observe(self) -> TunnelwrightError | None:
        notice = ""
        read = attempt("page", "the desired state", self._read)
        if isinstance(read, TunnelwrightError):
            if self._loaded is None:
                return read
            notice = self._shown_text(f"the desired state as it was read last: {read.message}")
            read = self._loaded
        self._loaded = loaded, fabric = read
        shown = attempt("page", "the routers", lambda: self._observed(loaded, fabric, notice))
        if isinstance(shown, TunnelwrightError):
            return shown
        with self._changing:
            self._shown = shown
        self.samples.take(shown.at, shown.connections)
        self.changes.changed()
        return None

    def snapshot(self) -> Snapshot | None:
        """The fleet as it was observed last."""
        with self._changing:
            return self._shown

    def explained(self, seen: Snapshot, ends: Sequence[str]) -> Mapping[str, list[Explained]]:
        """Where each value of some tunnel ends comes from."""
        if self._loaded is None or self._loaded[1] is not seen.fabric:
            raise SourceUnavailable("the desired state is being read again")
        return explain(self._loaded[0], seen.fabric, ends)

    def raw(self, commit: str) -> bytes:
        """A commit: headers, message."""
        if self._clone is None:
            raise SourceUnavailable("there is no clone of a service")
        return self._clone.raw(commit)

    def _observed(self, loaded: Loaded, fabric: Fabric, notice: str) -> Snapshot:
        decision = Planning(fabric, self._store, self._fleet_of(fabric)).decided()
        found, rest = decision.found, decision.rest.plan
        states = found.observation.states
        at = datetime.now(UTC)
        return Snapshot(
            at,
            loaded.revision or "",
            fabric,
            status_of(found, self.history).connections,
            {
                name: RouterSeen(
                    states[name].version if name in states else "",
                    states[name].data_plane if name in states else "",
                    rest.unreachable.get(name),
                )
                for name in fabric.routers
            },
            {change.resource: PlannedChange.of(change, FIELDS_WRITTEN) for change in found.plan.changes},
            (*decision.judgement.refusals, *decision.judgement.deferrals),
            notice=notice,
        )
