"""Observe, plan and judge: what an apply would do, and what of it may be done now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reconciler.model.absence import Absence
from reconciler.model.errors import PlanStale, PlanUnsafe, RouterWithheld, TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.model.observation import Observation
from reconciler.model.plan import Phase, Plan, ResourceChange
from reconciler.model.router_config import NOTHING_ASKED, PREFIX, Asked, RouterConfig
from reconciler.model.way_back import Arming
from reconciler.observe.state import observe, rulesets
from reconciler.operations.desired import compile_fabric
from reconciler.operations.outlets import unguarded_at, with_outlets
from reconciler.plan.fleet import ChangeFilter, make_plan
from reconciler.plan.targets import check_targets
from reconciler.plan.way_back import with_way_back
from reconciler.policy import Judgement, Known, Override, judge, withholdings
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore


def everything(_: object) -> bool:
    """The change filter that leaves nothing out."""
    return True


@dataclass(frozen=True, slots=True)
class ObservedPlan:
    """A plan of live routers, with what it was made from. (A preview is made without routers.)"""

    fabric: Fabric
    desired: dict[str, RouterConfig]
    observation: Observation
    plan: Plan
    selected: ChangeFilter = everything


def observed_plan(
    fabric: Fabric,
    store: SecretStore,
    fleet: Fleet,
    selected: ChangeFilter = everything,
    asked: Asked = NOTHING_ASKED,
) -> ObservedPlan:
    """Compile, observe and plan. Changes nothing.

    Raises SecretUnavailable, and KeysDiffer. A router that does not answer is part of the plan, not an
    exception; so is a tunnel whose key cannot be read.
    """
    desired = {name: replace(item, asked=asked) for name, item in compile_fabric(fabric, store).items()}
    return compare(fabric, desired, fleet, selected)


def compare(
    fabric: Fabric,
    desired: dict[str, RouterConfig],
    fleet: Fleet,
    selected: ChangeFilter = everything,
) -> ObservedPlan:
    """Observe and plan what was compiled before."""
    observation = observed(desired, fleet)
    plan = planned(desired, observation, selected)
    if asked := unguarded_at(plan):
        observation = replace(observation, rulesets=rulesets(fleet, asked))
        plan = with_outlets(plan, observation.rulesets, observation.states)
    return ObservedPlan(fabric, desired, observation, plan, selected)


def narrowed(before: ObservedPlan, also: ChangeFilter) -> ObservedPlan:
    """An observed plan from the same observation, of what is selected already and by `also`."""

    def selected(change: ResourceChange) -> bool:
        return before.selected(change) and also(change)

    plan = planned(before.desired, before.observation, selected)
    return replace(before, plan=plan, selected=selected)


def check_selection(found: ObservedPlan, targets: Collection[str], excluded: Collection[str]) -> None:
    """Raises TunnelwrightError for a name that selects nothing: a misspelt one would look like something in
    order, or would not be left out."""
    check_targets(found.fabric, found.plan, targets)
    others = sorted({*excluded}.difference(found.fabric.routers, found.fabric.tunnels))
    if others:
        # What is excluded is no part of the plan, and Git need not have it.
        whole = planned(found.desired, found.observation, everything)
        check_targets(found.fabric, whole, others)


def without(before: ObservedPlan, failures: Mapping[str, TunnelwrightError]) -> ObservedPlan:
    """An observed plan from the same observation, in which some routers have no part; tunnels with an end
    there are withheld."""
    if not failures:
        return before
    observation = leaving_out(before.observation, failures)
    plan = planned(before.desired, observation, before.selected)
    return replace(before, observation=observation, plan=plan)


def leaving_out(seen: Observation, failures: Mapping[str, TunnelwrightError]) -> Observation:
    """The same observation, in which some routers have failed."""
    states = {name: state for name, state in seen.states.items() if name not in failures}
    return replace(seen, states=states, failures={**seen.failures, **failures})


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be done now of an observed plan, and why the rest may not."""

    found: ObservedPlan
    """The whole plan, before it was narrowed and judged."""
    judged: ObservedPlan
    """What of it was to be judged, without the routers that are withheld."""
    judgement: Judgement
    allowed: ObservedPlan
    """All of it, some, or nothing when anything is refused."""

    @property
    def rest(self) -> ObservedPlan:
        """The whole plan, without the routers that are withheld."""
        failures = self.judged.observation.failures
        new = failures.keys() - self.found.observation.failures.keys()
        return without(self.found, {name: failures[name] for name in new})

    def without(self, failures: Mapping[str, TunnelwrightError]) -> Decision:
        """The same decision, in which some routers have no part."""
        return replace(self, judged=without(self.judged, failures), allowed=without(self.allowed, failures))

    def framed(self, arming: Arming | None) -> Decision:
        """The same decision, whose plan has to be confirmed; without an arming it has not."""
        return replace(self, judged=framed(self.judged, arming), allowed=framed(self.allowed, arming))


def framed(before: ObservedPlan, arming: Arming | None) -> ObservedPlan:
    """An observed plan with the steps that arm and confirm. A plan that is made anew has them no more."""
    return replace(before, plan=with_way_back(before.plan, arming, before.desired))


def decide(
    found: ObservedPlan,
    known: Known,
    overrides: frozenset[Override] = frozenset(),
    wished: ChangeFilter = everything,
) -> Decision:
    """Judge what is `wished` of an observed plan, and narrow it to what may be done now. `known` says what is
    known to have been Git's, `overrides` which limits are set aside."""
    before = found if wished is everything else narrowed(found, wished)
    judged, judgement = judge_plan(before, known, overrides)
    whole = not (judgement.refusals or judgement.deferrals)
    return Decision(found, judged, judgement, judged if whole else narrowed(judged, judgement.allows))


def judge_plan(
    before: ObservedPlan, known: Known, overrides: frozenset[Override] = frozenset()
) -> tuple[ObservedPlan, Judgement]:
    """What of an observed plan may be done now; and the plan, without the routers that hold too much of
    what is not `known` to have been Git's."""
    states = before.observation.states
    withheld = withholdings(before.plan, before.fabric, states, known)
    before = without(
        before,
        {
            item.router: RouterWithheld(item.reason, router=item.router, hint=item.hint)
            for item in withheld
            if item.override not in overrides
        },
    )
    states, now = before.observation.states, datetime.now(UTC)
    found = judge(before.plan, before.fabric, states, now, overrides, known=known)
    overridden = tuple(item for item in withheld if item.override in overrides)
    return before, replace(found, overridden=(*found.overridden, *overridden))


def check_safe(judgement: Judgement) -> None:
    """Raises PlanUnsafe with every reason when a plan is refused."""
    if judgement.refusals:
        reasons = "; ".join(found.reason for found in judgement.refusals)
        raise PlanUnsafe(f"refused as unsafe, nothing was done: {reasons}")


def confirmed(before: ObservedPlan, fleet: Fleet) -> tuple[ObservedPlan, dict[str, TunnelwrightError]]:
    """Observe the routers that a plan changes again: the same plan, without those that do not answer any more
    or whose own changes are others now, each with the reason. A tunnel goes with both of its ends.

    What is planned twice and the same was true for as long as no other change was made to the routers.
    """
    resources = {change.resource for change in before.plan.changes}
    again = compare(
        before.fabric,
        {name: before.desired[name] for name in sorted(before.plan.routers)},
        fleet,
        lambda change: change.resource in resources,
    )
    left_out = dict(again.observation.failures)
    # What is left changes with what is left out, at most once for each router.
    while moved := _differing(without(before, left_out).plan, again.plan):
        left_out |= {
            name: PlanStale("its state has changed since it was observed", router=name) for name in moved
        }
        again = without(again, left_out)
    return again, left_out


def _differing(one: Plan, other: Plan) -> set[str]:
    """The routers to blame for what two plans do differently: those whose own part differs, else all. A
    tunnel is switched at one end, as both need it: what one end needs may show at the other."""
    here, there = ({change.resource: change for change in plan.changes} for plan in (one, other))
    found = {what for what in here.keys() | there.keys() if here.get(what) != there.get(what)}
    own = {what for what in found if _own(here.get(what)) != _own(there.get(what))}
    return {what.router for what in own or found}


def _own(change: ResourceChange | None) -> ResourceChange | None:
    if change is None:
        return None
    return replace(change, steps=tuple(step for step in change.steps if step.phase is not Phase.SWITCH))


def observed(desired: dict[str, RouterConfig], fleet: Fleet) -> Observation:
    """Observe every router of a compiled fabric."""
    adopted = {
        name: frozenset(
            old for item in config.connections.values() for old in item.former if not old.startswith(PREFIX)
        )
        for name, config in desired.items()
    }
    return observe(fleet, {name: config.sysctls for name, config in desired.items()}, adopted)


def planned(
    desired: dict[str, RouterConfig],
    seen: Observation,
    selected: ChangeFilter,
) -> Plan:
    """The plan of a compiled fabric after an observation; routers that failed have no part in it."""
    failures = {name: Absence.of(error) for name, error in seen.failures.items()}
    plan = make_plan(desired, seen.states, failures, selected)
    return with_outlets(plan, seen.rulesets, seen.states)
