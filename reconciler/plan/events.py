"""A plan, and what the limits say of it, as events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.model.absence import Absence
from reconciler.model.bounds import EXPOSED_WRITTEN, FIELDS_WRITTEN
from reconciler.model.events import (
    DuplicateAddress,
    Event,
    Exposed,
    Overridden,
    PlannedChange,
    PlannedStep,
    PlanSummary,
    ToConfirm,
    Unreachable,
    UnusedVip,
    Withheld,
    WithheldFor,
)
from reconciler.model.judgement import Judgement
from reconciler.model.operation import Arm
from reconciler.model.plan import Action, Plan


def plan_events(plan: Plan, digest: str, now: Plan | None = None) -> Iterator[Event]:
    """One event a resource, then one for what was left out, one for each pair of networks whose traffic is
    in the clear afterwards, then the summary. `digest` is that of the plan. `now` is the part of it that may
    be done now; None for all of it, and then nothing is `later`."""
    for change in plan.changes:
        yield PlannedChange.of(change, FIELDS_WRITTEN)
    yield from absence_events(plan.unreachable)
    for tunnel, reason in sorted(plan.withheld.items()):
        cause = WithheldFor.KEY if tunnel in plan.keyless else WithheldFor.OTHER_END
        yield Withheld(tunnel, cause, reason)
    yield from address_events(plan)
    exposed = plan.exposed
    soon = set((plan if now is None else now).exposed)
    for router, (source, destination) in exposed[:EXPOSED_WRITTEN]:
        yield Exposed(router, source, destination, later=(router, (source, destination)) not in soon)
    for step in plan.arming[:1]:
        if isinstance(step.operation, Arm):
            framing = (*plan.arming, *plan.confirming)
            yield ToConfirm(step.operation.arming.seconds, tuple(map(PlannedStep.of, framing)))
    yield PlanSummary(
        create=plan.count(Action.CREATE),
        update=plan.count(Action.UPDATE),
        delete=plan.count(Action.DELETE),
        digest=digest,
        more_exposed=max(len(exposed) - EXPOSED_WRITTEN, 0),
        later=0 if now is None else len(plan.later(now).changes),
    )


def address_events(plan: Plan) -> Iterator[DuplicateAddress | UnusedVip]:
    """One event for each address that routers share, and one for each VIP that a deleted tunnel has left."""
    for item in plan.duplicates:
        yield DuplicateAddress(
            item.address,
            item.network,
            tuple(dict.fromkeys(held.router for held in item.holders)),
            tuple(dict.fromkeys(held.router for held in item.holders if not held.owner)),
            item.wanted,
        )
    for held in plan.unused:
        yield UnusedVip(held.router, held.address.cidr, held.address.interface, held.owner)


def absence_events(absences: Mapping[str, Absence]) -> Iterator[Unreachable]:
    """One event for each router that has no part in a plan."""
    return (Unreachable(router, absence) for router, absence in sorted(absences.items()))


def judgement_events(judgement: Judgement) -> Iterator[Event]:
    """One event for each thing that is refused, deferred or overridden."""
    yield from judgement.refusals
    yield from judgement.deferrals
    yield from map(Overridden, judgement.overridden)
