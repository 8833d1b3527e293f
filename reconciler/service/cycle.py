"""One reconcile run: what the repository wants against what the routers hold, as far as the levels let it,
proven, and taken back when it does not prove good."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler.apply import Progress
from reconciler.compile import group_of
from reconciler.facets.connections import connection_name
from reconciler.history.kept import Kept
from reconciler.load import Loaded
from reconciler.locking import locked
from reconciler.model.absence import Absence
from reconciler.model.bounds import RECORD_DIAGNOSTICS, RECORD_NAMED
from reconciler.model.diagnostic import reported
from reconciler.model.errors import PlanStale, TunnelwrightError, Unforeseen
from reconciler.model.fabric import Fabric
from reconciler.model.listing import listed
from reconciler.model.observation import Observation
from reconciler.model.outcome import Status
from reconciler.model.plan import Plan
from reconciler.model.record import GOOD, Result, RunRecord
from reconciler.model.router_config import RouterConfig
from reconciler.model.unit import attempt
from reconciler.policy.levels import ByCommit, changed_by_commit, held_back
from reconciler.report import json_lines
from reconciler.routers.fleet import Connect
from reconciler.run import (
    Preview,
    apply,
    check_keys,
    check_safe,
    compare,
    compile_fabric,
    judge_preview,
    narrowed,
    prove,
    renewed,
    within_one_apply,
    without,
)
from reconciler.secrets import SecretStore
from reconciler.service.account import Account
from reconciler.service.meanwhile import ask
from reconciler.service.mirror import Mirror
from reconciler.service.seen import Seen
from reconciler.service.signatures import Signers
from reconciler.service.trust import Trust
from reconciler.validate import validate
from reconciler.verify import installed


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a run needs from outside. Without `signers` every commit counts."""

    mirror: Mirror
    history: Kept
    store: SecretStore
    connector: Callable[[Fabric], Connect]
    signers: Signers | None = None
    parallelism: int = 10
    patience: float = 10.0
    rollback: bool = True
    progress: Progress = lambda _: None
    stopping: Callable[[], bool] = lambda: False
    """Ends transfers and runs; asked again and again while they go on."""
    moved: Callable[[], None] = lambda: None
    """There was progress in what has no outcome yet: a lock was asked for, a tunnel was probed."""
    looked: Callable[[Observation], None] = lambda _: None
    """Routers were looked at."""
    saw: Callable[[Seen], None] = lambda _: None

    @property
    def trust(self) -> Trust:
        """Which commits count."""
        return Trust(self.mirror, self.history, self.signers, self.stopping)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A commit that may be reconciled, with what it says."""

    commit: str
    loaded: Loaded
    fabric: Fabric
    desired: dict[str, RouterConfig]


class _Refused(TunnelwrightError):
    """A commit that may not be reconciled."""


def reconcile(wiring: Wiring, head: str, trigger: str) -> RunRecord:
    """Reconcile the commit `head`, or the last good one when that is refused. What a router, the repository
    or a key does is never raised, nor what nobody foresaw: the record says it."""
    # Clocks are set; a run takes what it takes.
    started, began = datetime.now(UTC), time.monotonic()
    account = Account()
    in_force = ""

    def work() -> Result:
        nonlocal in_force
        wanted = _choose(wiring, head, account)
        in_force = wanted.commit
        result = _run(wiring, wanted, account)
        return Result.INCOMPLETE if in_force != head and result in GOOD else result

    result = attempt("run", head[:12], work)
    if isinstance(result, TunnelwrightError):
        account.notes.append(_sentence(result))
        result = Result.FAILED
    if (seen := account.seen) is not None:
        attempt("metrics", "what a run saw", lambda: wiring.saw(seen))
    return RunRecord(
        started=started,
        finished=started + timedelta(seconds=time.monotonic() - began),
        trigger=trigger,
        head=head,
        in_force=in_force,
        result=result,
        message="; ".join(account.notes),
        objects=tuple(account.objects),
    )


def _sentence(error: TunnelwrightError) -> str:
    where = f"{error.router}: " if error.router else ""
    return f"{where}{error.message}{f' ({error.hint})' if error.hint else ''}"


def _choose(wiring: Wiring, head: str, account: Account) -> _Wanted:
    """The head of the branch; the last good commit when the head is refused, which is told."""
    try:
        try:
            note = wiring.trust.check_head(head)
        except TunnelwrightError as error:
            raise _Refused(_sentence(error)) from error
        account.notes += [note] if note else []
        return _wanted(wiring, head, account)
    except _Refused as refused:
        good = wiring.trust.good()
        if good in {"", head}:
            raise
        account.notes.append(f"{refused.message}; {good[:12]} stays in force")
        return _wanted(wiring, good, Account())


def _wanted(wiring: Wiring, commit: str, account: Account) -> _Wanted:
    """Raises _Refused for a commit that is not trusted, not valid, whose keys are not there, that was taken
    back before, or that leads to an error that nobody foresaw."""
    found = attempt("commit", commit[:12], lambda: _admitted(wiring, commit, account))
    if isinstance(found, Unforeseen):
        raise _Refused(f"{commit[:12]}: {_sentence(found)}") from found
    if isinstance(found, TunnelwrightError):
        raise found
    return found


def _admitted(wiring: Wiring, commit: str, account: Account) -> _Wanted:
    try:
        wiring.trust.check_known(commit)
        loaded = wiring.mirror.load(commit, wiring.stopping)
    except TunnelwrightError as error:
        raise _Refused(_sentence(error)) from error
    fabric, found = validate(loaded)
    account.objects += [
        json_lines.diagnostic_object(item)
        for item in reported([*found.errors, *found.warnings], RECORD_DIAGNOSTICS)
    ]
    if found.errors:
        first = found.errors[0]
        more = f" and {len(found.errors) - 1} more" if len(found.errors) > 1 else ""
        raise _Refused(f"{commit[:12]} is not valid: {first.location}: {first.message}{more}")
    if reason := wiring.history.why_bad(loaded.digest):
        raise _Refused(f"{commit[:12]} was taken back: {reason}")
    try:
        return _Wanted(commit, loaded, fabric, compile_fabric(fabric, wiring.store))
    except TunnelwrightError as error:
        raise _Refused(f"{commit[:12]}: {_sentence(error)}") from error


def _run(wiring: Wiring, wanted: _Wanted, account: Account) -> Result:
    connect = wiring.connector(wanted.fabric)
    seen = compare(wanted.fabric, wanted.desired, connect, parallelism=wiring.parallelism)
    wiring.looked(seen.observation)
    by_commit = _by_commit(wiring, wanted, seen.plan)
    found = account.saw(seen, by_commit)
    held = held_back(wanted.fabric, seen.plan, by_commit)
    allowed = narrowed(seen, lambda change: change.resource not in held)
    judgement = judge_preview(allowed)
    account.objects += json_lines.plan_objects(seen.plan)
    account.objects += [
        {"type": "held", "resource": str(resource), "reason": reason} for resource, reason in held.items()
    ]
    account.objects += json_lines.judgement_objects(judgement)
    check_safe(judgement)
    waiting = judgement.deferred
    held |= {resource: deferral.reason for resource, deferral in waiting.items()}
    if waiting:
        allowed = narrowed(allowed, judgement.allows)
    account.objects += [
        {
            "type": "drift",
            "resource": str(change.resource),
            "reason": change.reason,
            "held": change.resource in held,
        }
        for change in seen.plan.changes
        if change.resource in found.drift
    ]
    told = attempt("look-up", "traces", lambda: ask(wiring.history, connect, found, wiring.parallelism))
    account.objects += [] if isinstance(told, TunnelwrightError) else told
    _tell_missing(wanted.fabric, seen, account)
    if held:
        named = listed((f"{what} ({why})" for what, why in held.items()), RECORD_NAMED)
        account.notes.append(f"{len(held)} left alone: {named}")
    result = Result.HELD if held else Result.IN_SYNC
    left_out: dict[str, TunnelwrightError] = {}
    if allowed.plan.changes:
        acting = within_one_apply(connect, allowed.plan)
        with locked(
            acting, allowed.plan.routers, 0, parallelism=wiring.parallelism, moved=wiring.moved
        ) as refused:
            left_out |= refused
            allowed = without(allowed, refused)
            _tell_left_out(refused, account)
            if allowed.plan.changes:
                # What is planned under the lock is still true when it is applied; and it is what was judged.
                again, moved = _confirmed(wiring, allowed, acting)
                left_out |= moved
                _tell_left_out(moved, account)
                if again.plan.changes:
                    check_keys(again, wiring.store)
                    result = _apply(wiring, wanted, again, acting, by_commit=by_commit, account=account)
        seen = without(seen, left_out)
    if result in GOOD:
        looked_at = seen.observation.states or not wanted.desired
        if looked_at and not left_out and not any(by_commit(resource) for resource in held):
            # A commit is good when all of it that could be done was done, and proven. What was left alone for
            # want of a lock may still prove bad, and needs the commit before it to go back to.
            wiring.history.set_good(wanted.commit)
            # Should it not be kept, a branch that is rewritten takes it along; the run is what it is.
            kept = attempt("history", "the last good commit", lambda: wiring.mirror.keep(wanted.commit))
            if kept is not None:
                account.notes.append(_sentence(kept))
        partly = {resource.router for resource in held}
        partly |= {
            wanted.fabric.tunnels[name].router for name in seen.plan.withheld if name in wanted.fabric.tunnels
        }
        wiring.history.set_reached(set(seen.observation.states) - partly, wanted.commit)
        if seen.plan.unreachable:
            return Result.INCOMPLETE
    return result


def _confirmed(
    wiring: Wiring, before: Preview, connect: Connect
) -> tuple[Preview, dict[str, TunnelwrightError]]:
    """A plan looked at again, without the routers that are others now; those, each with the reason.

    Raises PlanStale when the rest is another plan all the same.
    """
    again = renewed(before, connect, wiring.parallelism)
    wiring.looked(again.observation)
    moved = _moved(before, again)
    again = without(again, moved)
    if again.plan.changes != without(before, moved).plan.changes:
        raise PlanStale("the routers have changed since they were looked at")
    return again, moved


def _moved(before: Preview, again: Preview) -> dict[str, TunnelwrightError]:
    """The routers that do not answer any more, or whose own changes are others now, each with the reason.
    What is withheld at the far ends of those that do not answer is no change of its own."""
    gone = dict(again.observation.failures)
    one, other = (
        {change.resource: change for change in item.plan.changes} for item in (without(before, gone), again)
    )
    differing = {what.router for what in one.keys() | other.keys() if one.get(what) != other.get(what)}
    stale = {name: PlanStale("it has changed since it was looked at", router=name) for name in differing}
    return {**stale, **gone}


def _tell_left_out(left_out: Mapping[str, TunnelwrightError], account: Account) -> None:
    """Routers that are as before, because their lock could not be taken or their plan does not hold any more;
    the others are changed."""
    absences = {name: Absence.of(error) for name, error in sorted(left_out.items())}
    account.notes += [absence.sentence(name) for name, absence in absences.items()]
    account.objects += json_lines.absence_objects(absences)


def _by_commit(wiring: Wiring, wanted: _Wanted, plan: Plan) -> ByCommit:
    """What the repository has changed since each router was last as desired."""
    reached = wiring.history.reached()
    before: dict[str, RouterConfig] = {}
    for commit in {
        reached[name] for name in {change.resource.router for change in plan.changes} & set(reached)
    }:
        try:
            then = wanted if commit == wanted.commit else _wanted(wiring, commit, Account())
        except _Refused:
            continue
        before |= {name: config for name, config in then.desired.items() if reached.get(name) == commit}
    return changed_by_commit(before, wanted.desired)


def _tell_missing(fabric: Fabric, seen: Preview, account: Account) -> None:
    """Routers that did not answer; and tunnels that are configured but down, which is no drift."""
    for router, absence in sorted(seen.plan.unreachable.items()):
        account.notes.append(absence.sentence(router))
    changing = {change.resource.name for change in seen.plan.changes}
    down = [
        tunnel.name
        for tunnel in fabric.tunnels.values()
        if tunnel.enabled
        and tunnel.name not in changing
        and tunnel.router in seen.observation.states
        and not installed(seen.observation.states[tunnel.router], connection_name(tunnel.name))
    ]
    account.objects += [
        {"type": "down", "tunnel": name, "router": fabric.tunnels[name].router} for name in down
    ]
    if down:
        account.notes.append(f"{len(down)} configured but down: {listed(down, RECORD_NAMED)}")


def _apply(
    wiring: Wiring,
    wanted: _Wanted,
    before: Preview,
    connect: Connect,
    *,
    by_commit: ByCommit,
    account: Account,
) -> Result:
    """Apply, prove, and take back what carried traffic before and does not now."""
    touched = _tunnels(before.plan)
    applied = apply(
        before,
        connect,
        patience=wiring.patience,
        parallelism=wiring.parallelism,
        progress=wiring.progress,
        stopping=wiring.stopping,
    )
    wiring.looked(applied.after)
    account.did(before, applied)
    undone = [outcome for outcome in applied.outcomes if outcome.status is not Status.DONE]
    if undone and all(outcome.status is Status.NOT_ATTEMPTED for outcome in undone):
        account.notes.append(f"stopped with {len(undone)} steps left")
        return Result.STOPPED
    proofs = prove(before, connect, touched, wiring.parallelism, wiring.moved)
    account.objects += [json_lines.check_object(check) for checks in proofs.values() for check in checks]
    failed = {name: check for name, checks in proofs.items() for check in checks if not check.passed}
    # What was not attempted follows from what failed.
    telling = [outcome for outcome in undone if outcome.status is Status.FAILED] or undone
    problems = [f"{outcome.step.router}: {outcome.step.summary}: {outcome.message}" for outcome in telling]
    problems += [f"{check.name}: {check.evidence}" for check in failed.values()]
    if not problems:
        proven = f", {len(proofs)} tunnel ends proven" if proofs else ""
        account.notes.append(f"{len(before.plan.changes)} changed{proven}")
        return Result.CHANGED
    account.notes.append(listed(problems, RECORD_NAMED))
    groups = {outcome.step.group for outcome in undone}
    # Waiting for a peer that has not got the new key yet is no reason to take the commit back.
    groups -= {outcome.step.group for outcome in undone if outcome.restored}
    hurt = [
        name
        for name in touched
        if (name in failed or _group(before, name) in groups) and _carried(before, name)
    ]
    good = wiring.trust.good()
    by_this_commit = any(
        by_commit(change.resource) for change in before.plan.changes if change.resource.name in hurt
    )
    if not (hurt and by_this_commit and wiring.rollback and good not in {"", wanted.commit}):
        return Result.INCOMPLETE
    return _take_back(wiring, wanted, good, before.plan, account)


def _take_back(wiring: Wiring, wanted: _Wanted, good: str, plan: Plan, account: Account) -> Result:
    """Bring back what the last good commit says of everything that the plan changed, at both ends. A router
    that the commit has brought stays as it is: the one before knows nothing of it."""
    reason = account.notes[-1]
    wiring.history.mark_bad(wanted.loaded.digest, wanted.commit, reason)
    previous = _wanted(wiring, good, Account())
    connect = wiring.connector(previous.fabric)
    changed = {change.resource for change in plan.changes}
    routers = plan.routers
    back = compare(
        previous.fabric,
        {name: config for name, config in previous.desired.items() if name in routers},
        connect,
        lambda change: change.resource in changed,
        parallelism=wiring.parallelism,
    )
    acting = within_one_apply(connect, back.plan)
    applied = apply(
        back,
        acting,
        patience=wiring.patience,
        parallelism=wiring.parallelism,
        progress=wiring.progress,
    )
    proofs = prove(back, acting, _tunnels(plan), wiring.parallelism, wiring.moved)
    checks = [check for found in proofs.values() for check in found]
    account.objects.append({"type": "rollback", "from": wanted.commit, "to": good, "reason": reason})
    account.did(back, applied)
    account.objects += [json_lines.check_object(check) for check in checks]
    # What could not be looked at was not brought back, and neither was what has its other end there.
    wrong = [absence.sentence(name) for name, absence in sorted(back.plan.unreachable.items())]
    wrong += [o.message for o in applied.outcomes if o.status is not Status.DONE]
    wrong += [f"{check.name}: {check.evidence}" for check in checks if not check.passed]
    if wrong:
        account.notes.append(
            f"going back to {good[:12]} did not bring all of it back: {listed(wrong, RECORD_NAMED)}"
        )
        return Result.INCOMPLETE
    account.notes.append(f"went back to {good[:12]}, and proved it")
    return Result.ROLLED_BACK


def _tunnels(plan: Plan) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(change.resource.name for change in plan.changes if change.resource.kind == "tunnel")
    )


def _group(before: Preview, tunnel: str) -> str:
    known = before.fabric.tunnels.get(tunnel)
    return tunnel if known is None else group_of(known)


def _carried(before: Preview, tunnel: str) -> bool:
    """True when the tunnel, under whichever name, had CHILD_SAs before."""
    known = before.fabric.tunnels.get(tunnel)
    if known is None or known.router not in before.observation.states:
        return False
    state = before.observation.states[known.router]
    return any(installed(state, connection_name(name)) for name in (tunnel, *known.previous_names))
