"""The one way in which routers are changed: by `apply`, `reconnect` and `vip release`, and in each run of the
service.

The steps, in this order, for every caller:

 1. **Lock** the routers that may be changed, and no others, side by side. One whose lock cannot be taken has
    no part in what follows.
 2. **Observe** the routers. What is seen under the lock stays true until it is changed here.
 3. **Plan**: what differs from what is desired, as far as it is wanted (targets, levels).
 4. **Judge** the plan by the safety policy: withheld, refused, deferred or allowed.
 5. **Narrow** it to what may be done now.
 6. **Check**: a plan that is refused, or that would load a weak key, ends here, before anything is changed.
    (A command that has shown that a router went back lets the router forget it, which is no change.)
 7. **Approve**. An answer takes time, and locks may be taken after the routers were observed: in both cases
    they are observed again, and those at which anything differs are left out.
 8. **Apply**, phase by phase; observe again, and plan what is left. Two parts of that are carried out at
    once, in two further plans (`operations/apply.py`), each of which is followed by another observation: the
    *tidying* of the tunnels that were changed (surplus SAs that came up after they were at rest, and
    selectors that a peer has not agreed to), then the tunnels *that are down* at these routers although both
    of their ends are managed (`plan/down.py`). Neither is judged, because neither interrupts what carries
    traffic. A change that has to be confirmed begins with its routers being armed: all of them, or nothing is
    done.
 9. **Prove** with packets, where that is wanted, and only then, still under the locks, let the caller judge
    what came of it: the place to roll back. What has to be confirmed is proven by new connections, and
    confirmed if nothing speaks against it (`operations/confirm.py`).
10. **Unlock.**

Steps 2 to 5 are the caller's `decide`, by `compare` and `decide` of `operations/observed_plan.py`: a command
takes them under the locks (`operations/planning.py`), since it is there to change something. The service
takes them before, since mostly there is nothing to change, so that no router needs a lock; step 7 then makes
up for the time in between. A plan that is refused ends its run there, since nothing is left of it to lock
for.

Two more use cases take a part of this order. `plan` and `preview --live` end after step 6
(`Planning.checked`), and need no lock.
A rollback (`operations/roll_back.py`) takes steps 2, 3, 8 and 9 again within step 9, under the same locks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from reconciler.apply.locking import locked
from reconciler.apply.phases import Progress
from reconciler.apply.way_back import MARGIN
from reconciler.model.errors import TunnelwrightError
from reconciler.model.observation import Observation
from reconciler.model.operation import Arm
from reconciler.model.outcome import Check
from reconciler.model.plan import Plan
from reconciler.model.way_back import Arming
from reconciler.operations.apply import Applied, apply, within_one_apply
from reconciler.operations.confirm import Conclusion, conclude, with_conclusion
from reconciler.operations.desired import check_keys
from reconciler.operations.observed_plan import Decision, ObservedPlan, check_safe, confirmed, framed
from reconciler.operations.verify import prove
from reconciler.routers.fleet import Fleet

Errors = Mapping[str, TunnelwrightError]
"""Routers that are left out, each with the reason."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a plan is carried out, and who is notified of its progress."""

    timeout: float = 10.0
    """Seconds that new tunnels have to come up."""
    probe: bool = False
    """Whether the tunnels that were changed are proven with packets."""
    progress: Progress = lambda _: None
    """Gets each step that has ended."""
    moved: Callable[[], None] = lambda: None
    """Called when there is progress in what has no outcome yet: a lock was asked for, a tunnel was probed."""
    on_observation: Callable[[Observation], None] = lambda _: None
    """Gets each observation of routers."""
    arming: Callable[[Arming], None] = lambda _: None
    """Gets what routers are to be armed as, before the first of them is."""
    applied: Callable[[ObservedPlan, Applied], None] = lambda *_: None
    """Gets what an apply came to, before the proof, which may end in an error."""
    stopping: Callable[[], bool] = lambda: False
    """Asked while it goes on: whether to stop as soon as no tunnel is half changed."""
    anew: Callable[[], None] = lambda: None
    """Closes connections that are kept: routers are reached by new ones from then on."""
    lost: Errors = field(default_factory=dict)
    """Routers whose lock another run has taken; filled in while the plan is carried out."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller wants changed, and what it decides by itself."""

    routers: Set[str]
    """Those that may be changed. Should the plan change others too, it is made anew, with them locked."""
    decide: Callable[[Errors], Decision]
    """Steps 2 to 5, given the routers whose locks could not be taken. May raise instead."""
    show: Callable[[Decision], None] = lambda _: None
    """Gets what was decided, before it is refused or done."""
    approve: Callable[[ObservedPlan], bool] = lambda _: False
    """Step 7: raises to do nothing; whether routers may have changed since they were observed."""
    left_out: Callable[[ObservedPlan, Errors], None] = lambda *_: None
    """Gets routers that had changed since they were observed, or did not answer, and of what is left."""
    lock_timeout: float = 0.0
    """Seconds to wait for another run to finish with a router."""
    arming: Arming | None = None
    """Where what is done has to be confirmed: how its routers are armed."""
    conduct: Conduct = field(default_factory=Conduct)


@dataclass(frozen=True, slots=True)
class Proven:
    """What an apply came to: of each step, and of each tunnel end that was probed."""

    applied: Applied
    proofs: Mapping[str, tuple[Check, ...]]
    lost: frozenset[str] = frozenset()
    """Routers whose lock another run has taken: whatever came of them, they may not be changed any more."""
    conclusion: Conclusion | None = None
    """Whether what had to be confirmed stays."""

    @property
    def checks(self) -> tuple[Check, ...]:
        """All of the proof."""
        return tuple(check for checks in self.proofs.values() for check in checks)


@dataclass(frozen=True, slots=True)
class Converged:
    """What became of a request."""

    decision: Decision
    refused: Errors
    """Routers whose locks could not be taken."""
    moved: Errors
    """Routers that were left out when they were observed again."""
    before: ObservedPlan
    """What was carried out; its plan is empty where nothing was to be done, or nothing was left."""
    proven: Proven | None
    """None where nothing was carried out."""


@contextmanager
def converge(fleet: Fleet, request: Request) -> Iterator[Converged]:
    """Steps 1 to 10; the body runs between 9 and 10.

    Raises PlanUnsafe, WeakKey, and what `decide` and `approve` raise; nothing was changed then. What fails at
    a router is part of what was done.
    """
    routers = frozenset(request.routers)
    while True:
        lost: dict[str, TunnelwrightError] = {}
        conduct = replace(request.conduct, lost=lost)
        with locked(fleet, routers, request.lock_timeout, moved=conduct.moved, lost=lost) as refused:
            decision = request.decide(refused).framed(request.arming)
            changed = decision.allowed.plan.routers
            if changed <= routers:
                # Not for the locks: also a router that has used up its time gets its lock back.
                acting = within_one_apply(fleet, decision.allowed.plan)
                yield _carry_out(replace(request, conduct=conduct), decision, dict(refused), acting)
                return
        routers |= changed


def _carry_out(request: Request, decision: Decision, refused: Errors, fleet: Fleet) -> Converged:
    request.show(decision)
    check_safe(decision.judgement)
    before = decision.allowed
    check_keys(before.fabric, before.plan)
    moved: Errors = {}
    if not before.plan.empty and request.approve(before):
        before, moved = confirmed(before, fleet)
        before = framed(before, request.arming)
        request.conduct.on_observation(before.observation)
        if moved:
            request.left_out(before, moved)
    if before.plan.empty:
        return Converged(decision, refused, moved, before, None)
    proven = apply_and_prove(before, fleet, request.conduct, tunnels_of(before.plan))
    return Converged(decision, refused, moved, before, proven)


def apply_and_prove(before: ObservedPlan, fleet: Fleet, conduct: Conduct, tunnels: Iterable[str]) -> Proven:
    """Steps 8 and 9, for routers that are locked. A run that was asked to stop, and has begun nothing, has
    nothing to prove."""
    for step in before.plan.arming[:1]:
        if isinstance(step.operation, Arm):
            conduct.arming(step.operation.arming)
    began = time.monotonic()
    applied = apply(
        before,
        fleet,
        timeout=conduct.timeout,
        progress=conduct.progress,
        stopping=conduct.stopping,
        lost=conduct.lost,
    )
    conduct.on_observation(applied.after)
    conduct.applied(before, applied)
    # What cannot be confirmed in time any more needs no proof.
    late = time.monotonic() - began >= before.plan.time_to_confirm - MARGIN
    proving = (conduct.probe or bool(before.plan.confirming)) and not (applied.stopped or late)
    if before.plan.confirming:
        conduct.anew()
    proofs = prove(before, fleet, tunnels, conduct.moved) if proving else {}
    elapsed = time.monotonic() - began
    conclusion = conclude(before, applied, proofs, fleet, lost=conduct.lost, elapsed=elapsed)
    for outcome in conclusion.outcomes if conclusion is not None else ():
        conduct.progress(outcome)
    return Proven(with_conclusion(applied, conclusion), proofs, frozenset(conduct.lost), conclusion)


def tunnels_of(plan: Plan) -> tuple[str, ...]:
    """The tunnel ends that a plan changes, each once."""
    return tuple(dict.fromkeys(change.resource.name for change in plan.changes if change.resource.is_tunnel))
