"""Bring back what an earlier desired state says of everything that a plan has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.model.fabric import Fabric
from reconciler.model.plan import Plan
from reconciler.model.router_config import RouterConfig
from reconciler.operations.apply import within_one_apply
from reconciler.operations.converge import Conduct, Proven, apply_and_prove, tunnels_of
from reconciler.operations.observed_plan import ObservedPlan, compare
from reconciler.routers.fleet import Fleet


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback came to."""

    back: ObservedPlan
    """What it was to do."""
    proven: Proven

    @property
    def wrong(self) -> tuple[str, ...]:
        """What keeps it from being complete, a sentence each."""
        return tuple(self._wrong())

    def _wrong(self) -> Iterator[str]:
        # What could not be observed was not brought back, and neither was what has its other end there.
        for name, absence in sorted(self.back.plan.unreachable.items()):
            yield absence.sentence(name)
        for name, reason in sorted(self.back.plan.withheld.items()):
            yield f"{name}: {reason}"
        for outcome in self.proven.applied.undone:
            yield outcome.message
        for check in self.proven.checks:
            if not check.passed:
                yield f"{check.name}: {check.evidence}"


def roll_back(
    fabric: Fabric, desired: Mapping[str, RouterConfig], plan: Plan, fleet: Fleet, conduct: Conduct
) -> RolledBack:
    """Take steps 2, 3, 8 and 9 of the order of a change (`operations/converge.py`) once more, with the
    earlier `fabric` and its compiled `desired` state, at the routers of a `plan` that was carried out, whose
    locks are still held.

    Neither judged nor approved: limits on what a plan may do would leave routers half way between two
    commits. Its keys were checked when that commit was applied. What was begun is brought to its end,
    whatever `conduct.stopping` says. A router that `desired` lacks stays as it is.
    """
    changed, routers = {change.resource for change in plan.changes}, plan.routers
    back = compare(
        fabric,
        {name: config for name, config in desired.items() if name in routers},
        fleet,
        lambda change: change.resource in changed,
    )
    acting = within_one_apply(fleet, back.plan)
    going_on = replace(conduct, stopping=lambda: False)
    return RolledBack(back, apply_and_prove(back, acting, going_on, tunnels_of(plan)))
