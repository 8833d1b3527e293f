"""The condition of every connection: what routers show now, and what the service remembers. Sends nothing
through the tunnels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.history.store import History
from reconciler.model.condition import ConnectionCondition
from reconciler.model.fabric import Fabric
from reconciler.operations.observed_plan import ObservedPlan, observed_plan
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore
from reconciler.verify.carriage import with_carriage
from reconciler.verify.condition import conditions


@dataclass(frozen=True, slots=True)
class Status:
    """One observation of a fabric: its connections, those in trouble first, and the drift."""

    drift: ObservedPlan
    connections: tuple[ConnectionCondition, ...]


def status(fabric: Fabric, store: SecretStore, fleet: Fleet, history: History | None = None) -> Status:
    """Observe every router, and judge every connection; with the `history` of a service also by
    what its probes have shown.

    Raises SecretUnavailable, HistoryUnusable.
    """
    return status_of(observed_plan(fabric, store, fleet), history)


def status_of(found: ObservedPlan, history: History | None = None) -> Status:
    """The same of an observation that was made already. Raises HistoryUnusable."""
    plan = found.plan
    shown = conditions(
        found.fabric,
        found.desired,
        found.observation.states,
        plan.unreachable,
        {change.resource: change.reason for change in plan.changes},
    )
    if history is None:
        return Status(found, shown)
    carried, last_changes = history.carriages(), history.last_changes()
    return Status(found, with_carriage(shown, carried, last_changes, datetime.now(UTC)))
