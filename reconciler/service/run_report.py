"""What one run reports, gathered while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from reconciler.model.bounds import FIELDS_WRITTEN
from reconciler.model.events import Event, PlannedChange, StepEnded
from reconciler.model.plan import Plan
from reconciler.operations.apply import Applied
from reconciler.operations.observed_plan import ObservedPlan
from reconciler.policy.levels import ByCommit
from reconciler.service.fleet_state import FleetState


@dataclass(slots=True)
class RunReport:
    """Sentences, events, and the routers."""

    notes: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    seen: FleetState | None = None

    def saw(self, before: ObservedPlan, by_commit: ByCommit) -> FleetState:
        """Take the routers as they were found, and what in them no commit had made different."""
        drift = {
            change.resource
            for change in before.plan.changes
            if not (change.follows or by_commit(change.resource))
        }
        self.seen = FleetState(
            before.fabric,
            before.desired,
            before.observation.states,
            before.plan.unreachable,
            {change.resource: PlannedChange.of(change, FIELDS_WRITTEN) for change in before.plan.changes},
            frozenset(drift),
            keyless=before.plan.keyless,
        )
        return self.seen

    def withheld(self, plan: Plan) -> None:
        """Take the routers without a part in a plan that was judged; what they hold was seen all the same."""
        if self.seen is not None:
            self.seen = replace(self.seen, absent=plan.unreachable)

    def did(self, before: ObservedPlan, applied: Applied) -> None:
        """Take what an apply came to, and the routers as they are after it."""
        self.events += map(StepEnded.of, applied.outcomes)
        self.events += applied.checks
        self.events += applied.cost.losses
        self.events += applied.dropped
        if self.seen is not None:
            left = {change.resource for change in applied.remaining.changes}
            done = {change.resource for change in before.plan.changes} - left
            self.seen = replace(
                self.seen,
                states={**self.seen.states, **applied.after.states},
                differs={what: change for what, change in self.seen.differs.items() if what not in done},
                drift=self.seen.drift - done,
                repaired=self.seen.repaired | (self.seen.drift & done),
            )
