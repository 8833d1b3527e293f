"""What has to be true for a change to stay, and what is done when it is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Final

from reconciler.apply.way_back import MARGIN, confirm, forget, go_back
from reconciler.doors.identity import user_name
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import group_of
from reconciler.model.listing import listed
from reconciler.model.operation import Arm, Establish, Scope, Widen
from reconciler.model.outcome import Check, Outcome, Status
from reconciler.model.plan import Step
from reconciler.model.way_back import Armed, Arming, WentBack
from reconciler.operations.apply import Applied
from reconciler.operations.observed_plan import ObservedPlan
from reconciler.routers.fleet import Fleet

_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Whether a change that had to be confirmed stays."""

    arming: str
    """The id of the arming."""
    doubts: tuple[str, ...]
    """Why it does not, a sentence each; empty where every router was confirmed."""
    outcomes: tuple[Outcome, ...]
    """Of the steps that confirm."""
    begun: bool = True
    """Whether anything was changed: when a router could not be armed, nothing was."""
    back: bool = False
    """Whether every router is as before by now, in all parts."""
    unsure: bool = False
    """Whether all that speaks against it is that routers did not say whether they are confirmed: the next
    run sees."""
    silent: tuple[str, ...] = ()
    """Routers that go back by themselves, because they did not answer."""
    unrestored: tuple[str, ...] = ()
    """What routers that went back could not restore, a sentence each."""

    @property
    def stays(self) -> bool:
        """True when every router was confirmed."""
        return not self.doubts


def conclude(
    before: ObservedPlan,
    applied: Applied,
    proofs: Mapping[str, tuple[Check, ...]],
    fleet: Fleet,
    *,
    lost: Mapping[str, TunnelwrightError],
    elapsed: float,
) -> Conclusion | None:
    """Confirm what was applied if nothing speaks against it, `elapsed` seconds after the routers began to be
    armed; else let them go back at once. None where nothing had to be confirmed."""
    steps = before.plan.confirming
    arming = next((s.operation.arming for s in before.plan.arming if isinstance(s.operation, Arm)), None)
    if arming is None:
        return None
    if not all(outcome.status is Status.DONE for outcome in armed(applied)):
        return _not_armed(arming.id, steps, applied)
    left = arming.seconds - elapsed - MARGIN
    found = tuple(doubts(before, applied, proofs, lost))
    if not found and left <= 0:
        found = (f"applying and proving it took {elapsed:.0f} s",)
    if not found:
        return _confirmed(arming.id, steps, fleet, left)
    if all(outcome.status is Status.NOT_ATTEMPTED for outcome in changes(applied)):
        return _disarmed(arming.id, steps, fleet, found)
    status = Status.NOT_ATTEMPTED if applied.stopped else Status.FAILED
    return _gone_back(arming.id, steps, fleet, found, status=status)


def _not_armed(arming: str, steps: tuple[Step, ...], applied: Applied) -> Conclusion:
    """Some router could not be armed, so nothing was changed."""
    unarmed = tuple(Outcome(step, Status.NOT_ATTEMPTED, "it was not armed") for step in steps)
    reasons = (f"{o.step.router}: {o.message}" for o in armed(applied) if o.status is Status.FAILED)
    return Conclusion(arming, tuple(reasons), unarmed, begun=False, back=True)


def _confirmed(arming: str, steps: tuple[Step, ...], fleet: Fleet, left: float) -> Conclusion:
    """Confirm every router within the seconds that are left."""
    done = confirm(steps, arming, fleet, left)
    failed = {o.step.router: o.message for o in done.outcomes if o.status is not Status.DONE}
    said = tuple(f"{name}: {message}" for name, message in failed.items())
    return Conclusion(arming, said, done.outcomes, unsure=bool(said) and failed.keys() <= done.silent)


def _disarmed(arming: str, steps: tuple[Step, ...], fleet: Fleet, found: tuple[str, ...]) -> Conclusion:
    """There is nothing to go back from: the routers are only disarmed."""
    disarmed = confirm(steps, arming, fleet, 0)
    why = f"nothing was changed: {listed(found, _NAMED)}"
    outcomes = tuple(Outcome(step, Status.NOT_ATTEMPTED, why) for step in steps)
    silent = tuple(sorted(disarmed.silent))
    return Conclusion(arming, found, outcomes, begun=False, back=not silent, silent=silent)


def _gone_back(
    arming: str, steps: tuple[Step, ...], fleet: Fleet, found: tuple[str, ...], *, status: Status
) -> Conclusion:
    """Let every router go back at once; the steps that confirm end with a status."""
    ended = go_back({step.router: arming for step in steps}, fleet)
    why = listed(found, _NAMED)
    outcomes = tuple(Outcome(step, status, f"{_went(ended[step.router])}: {why}") for step in steps)
    went = {name: item for name, item in ended.items() if isinstance(item, WentBack)}
    whole = {name for name, item in went.items() if not item.problems}
    unrestored = (f"{name}: {problem}" for name, item in went.items() for problem in item.problems)
    silent = (name for name, item in ended.items() if isinstance(item, TunnelwrightError))
    return Conclusion(
        arming,
        found,
        outcomes,
        back=whole == ended.keys(),
        silent=tuple(silent),
        unrestored=tuple(unrestored),
    )


def new_arming(digest: str, commit: str, seconds: int) -> Arming:
    """How the routers of one apply are armed; `digest` and `commit` are those of the desired state."""
    return Arming(token_hex(8), user_name(), digest, commit, seconds)


def forget_reported(found: Iterable[Armed | WentBack], fleet: Fleet) -> None:
    """See that routers do not report again that they have gone back, now that it was reported."""
    backs = {item.router: item.arming.id for item in found if isinstance(item, WentBack)}
    if backs:
        forget(backs, fleet)


def _went(found: WentBack | TunnelwrightError | None) -> str:
    match found:
        case None:
            return "it was not armed any more"
        case WentBack(problems=problems):
            return f"it went back, except for {listed(problems, _NAMED)}" if problems else "it went back"
    return f"it goes back by itself ({found.message})"


def armed(applied: Applied) -> tuple[Outcome, ...]:
    """The outcomes of arming."""
    return tuple(outcome for outcome in applied.outcomes if isinstance(outcome.step.operation, Arm))


def changes(applied: Applied) -> tuple[Outcome, ...]:
    """The outcomes of all other steps."""
    return tuple(outcome for outcome in applied.outcomes if not isinstance(outcome.step.operation, Arm))


def doubts(
    before: ObservedPlan,
    applied: Applied,
    proofs: Mapping[str, tuple[Check, ...]],
    lost: Mapping[str, TunnelwrightError],
) -> Iterator[str]:
    """What speaks against a change: a lock that was lost, a step that was not done, a tunnel that does not
    prove good. A new tunnel to an unmanaged peer may come up later, when its other end is ready.
    Pure."""
    fabric = before.fabric
    needed = {
        name
        for name, tunnel in fabric.tunnels.items()
        if tunnel.enabled and (tunnel.other_end is not None or carried(before, name))
    }
    groups = {group_of(fabric.tunnels[name]) for name in needed}
    for name, error in sorted(lost.items()):
        yield f"{name}: its lock was lost: {error.message}"
    for outcome in applied.undone:
        operation = outcome.step.operation
        first = isinstance(operation, Establish) and operation.scope is Scope.FIRST
        waits = first or isinstance(operation, Widen)
        # A peer that has not got its new key yet is waited for as well.
        if not outcome.restored and not (waits and outcome.step.group not in groups):
            yield f"{outcome.step.router}: {outcome.step.summary}: {outcome.message}"
    for name, checks in sorted(proofs.items()):
        if name in needed:
            yield from (f"{check.name}: {check.evidence}" for check in checks if not check.passed)
    yield from (f"{check.name}: {check.evidence}" for check in applied.checks if not check.passed)


def carried(before: ObservedPlan, tunnel: str) -> bool:
    """True when the tunnel, under whichever name, had CHILD_SAs before."""
    known = before.fabric.tunnels.get(tunnel)
    if known is None or known.router not in before.observation.states:
        return False
    state = before.observation.states[known.router]
    return any(map(state.installed, known.connections))


def with_conclusion(applied: Applied, conclusion: Conclusion | None) -> Applied:
    """What an apply came to, its last steps included."""
    if conclusion is None:
        return applied
    return replace(applied, outcomes=(*applied.outcomes, *conclusion.outcomes))
