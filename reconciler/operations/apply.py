"""Apply an observed plan, observe again, and prove what it left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from reconciler.apply.loss import Measured, dropped, measured
from reconciler.apply.phases import NONE_LOST, Progress, apply_plan
from reconciler.apply.way_back import MARGIN, arm
from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.observation import Observation
from reconciler.model.outcome import Check, Dropped, Outcome, Status
from reconciler.model.plan import Plan
from reconciler.model.router_config import NOTHING_ASKED
from reconciler.operations.observed_plan import ObservedPlan, leaving_out, observed, planned
from reconciler.plan.down import down
from reconciler.plan.fleet import ChangeFilter
from reconciler.policy import connections_of
from reconciler.routers.fleet import Fleet
from reconciler.verify.checks import check_unaffected

_UNARMED: Final = "not every router could be armed"


@dataclass(frozen=True, slots=True)
class Applied:
    """An apply with its proof: the outcome of each step, what is still different, the checks, the cost."""

    outcomes: tuple[Outcome, ...]
    remaining: Plan
    checks: tuple[Check, ...]
    cost: Measured
    """What it cost the tunnels that were changed."""
    after: Observation
    """The routers that were to be changed, as they are now."""
    dropped: tuple[Dropped, ...] = ()
    """What their kernels have counted of it."""
    late: bool = False
    """Whether steps were left because the time of the armed routers was nearly over."""

    @property
    def undone(self) -> tuple[Outcome, ...]:
        """The steps that were not done."""
        return tuple(outcome for outcome in self.outcomes if outcome.status is not Status.DONE)

    @property
    def stopped(self) -> bool:
        """True when steps are left and none of them was even attempted: the run was asked to stop."""
        return (
            bool(self.undone)
            and not self.late
            and all(item.status is Status.NOT_ATTEMPTED for item in self.undone)
        )

    @property
    def unfinished(self) -> tuple[str, ...]:
        """What keeps it from being converged, a sentence each: a step that was not done and what its router
        said of it, what is still different, a check that failed."""
        return (
            *(
                f"{outcome.step.router}: {outcome.step.summary}: {outcome.status}: {outcome.message}"
                for outcome in self.undone
            ),
            *(
                f"{change.resource}: {change.reason or 'still differs'}"
                f" ({', '.join(field.path for field in change.changes) or change.action})"
                for change in self.remaining.changes
            ),
            *(f"{check.name}: {check.evidence}" for check in self.checks if not check.passed),
        )

    @property
    def converged(self) -> bool:
        """True when every step was done, nothing is left to do and every check passed."""
        return not self.unfinished


def within_one_apply(fleet: Fleet, plan: Plan) -> Fleet:
    """The same routers, to apply a plan: all answers of one together have a time, which grows with its steps,
    from the observation that confirms the plan to the proof."""
    steps = Counter(step.router for change in plan.changes for step in change.steps)
    return fleet.within(
        lambda name: bounds.ROUTER_APPLY_SECONDS_IN_ALL + bounds.ROUTER_STEP_SECONDS * steps[name],
        "one apply",
    )


def apply(
    before: ObservedPlan,
    fleet: Fleet,
    *,
    timeout: float = 10.0,
    progress: Progress = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
    lost: Mapping[str, TunnelwrightError] = NONE_LOST,
) -> Applied:
    """Run an observed plan, observe again, and prove: the plan is empty now, unrelated tunnels kept their
    SPIs. Steps that fail are outcomes, not exceptions. Where the change has to be confirmed, its routers are
    armed first; when one of them cannot be, nothing else is done. Nothing is attempted when their time is
    nearly over."""
    until = time.monotonic() + before.plan.time_to_confirm - MARGIN
    armed = arm(before.plan.arming, fleet) if before.plan.arming else ()
    for outcome in armed:
        progress(outcome)
    if any(outcome.status is not Status.DONE for outcome in armed):
        left = (Outcome(step, Status.NOT_ATTEMPTED, _UNARMED) for step in before.plan.steps)
        after, remaining = _left(before, fleet)
        return Applied((*armed, *left), remaining, (), Measured(), after)
    act = partial(
        apply_plan,
        fleet=fleet,
        timeout=timeout,
        progress=progress,
        stopping=stopping,
        lost=lost,
        until=until,
    )

    def ending() -> bool:
        return stopping() or time.monotonic() >= until

    with measured(before.plan, before.fabric, before.observation, fleet) as cost:
        outcomes = (*armed, *act(before.plan))
        after, remaining = _left(before, fleet)
        asked = {step.group for step in before.plan.steps if step.waits_for_peer}
        groups = {step.group for step in before.plan.steps}
        crossed = remaining.tidying(groups - asked)
        if not (crossed.empty or ending()):
            # What the peer, a packet, or a charon that has just started had begun to negotiate came up after
            # the tunnel had come to rest or was removed, or was agreed to while only one end had its new
            # configuration.
            outcomes += act(crossed)
            after, remaining = _left(before, fleet)
        tried, aside = Plan(()), remaining.setting_aside(groups)
        while not (aside.empty or aside == tried or ending()):
            # The file of several connections goes with the last that is taken over, and a file with the key
            # of another connection after the file of that one.
            outcomes += act(aside)
            after, remaining = _left(before, fleet)
            tried, aside = aside, remaining.setting_aside(groups)
        resting = down(before.desired, after.states, before.plan.routers, _not_tried(before, outcomes))
        if not (resting.empty or ending()):
            # What a boot or an outage has left half made, and nothing above has had to do with.
            outcomes += act(resting)
            after, remaining = _left(before, fleet)
    changed = frozenset(
        name
        for change in (*before.plan.changes, *resting.changes)
        if change.resource.is_tunnel
        for end in {change.resource.name, *(end.name for end in before.fabric.ends_of(change.resource.name))}
        for name in connections_of(before.fabric, end)
    )
    changed |= _other_ends(changed, before.observation)
    return Applied(
        outcomes,
        remaining,
        check_unaffected(changed, before.observation, after),
        cost,
        after,
        dropped(before.plan, before.observation, after),
        late=time.monotonic() >= until and any(o.status is Status.NOT_ATTEMPTED for o in outcomes),
    )


def _not_tried(before: ObservedPlan, outcomes: Iterable[Outcome]) -> ChangeFilter:
    """Selects what the plan has selected, and of what no step was left undone."""
    undone = {outcome.step.group for outcome in outcomes if outcome.status is not Status.DONE}
    return lambda change: before.selected(change) and change.group not in undone


def _left(before: ObservedPlan, fleet: Fleet) -> tuple[Observation, Plan]:
    """What there is after a plan was applied, and what is left to do. Who had no part in it is not asked
    again, and has left nothing undone."""
    absent = before.observation.failures
    # What a command has asked for is done, or has failed; Git does not ask for it.
    desired = {name: replace(config, asked=NOTHING_ASKED) for name, config in before.desired.items()}
    there = {name: config for name, config in desired.items() if name not in absent}
    after = leaving_out(observed(there, fleet), absent)
    return after, planned(desired, after, before.selected)


def _other_ends(changed: frozenset[str], seen: Observation) -> frozenset[str]:
    """The connections at the other ends of what runs: Git may no longer know that they belong together."""
    running = [sa for state in seen.states.values() for sa in state.sas]
    ways = {(sa.remote_address, sa.local_address) for sa in running if sa.connection in changed}
    return frozenset(sa.connection for sa in running if (sa.local_address, sa.remote_address) in ways)
