"""One reconcile run: what the repository wants against what the routers hold, as far as the levels let it,
proven, and rolled back when it does not prove good."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.model.absence import Absence
from reconciler.model.bounds import RECORD_NAMED
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import Down, Drift, Held, Impaired, Part, Rollback, StepEnded, Trouble
from reconciler.model.fabric import Fabric
from reconciler.model.isolation import attempt
from reconciler.model.listing import counted, listed
from reconciler.model.plan import Plan, Resource
from reconciler.model.record import GOOD, Result, RunRecord
from reconciler.model.router_config import connection_name
from reconciler.model.way_back import Arming
from reconciler.operations.confirm import new_arming
from reconciler.operations.converge import (
    Conduct,
    Errors,
    Proven,
    Request,
    converge,
)
from reconciler.operations.desired import shown_by_files
from reconciler.operations.observed_plan import (
    Decision,
    ObservedPlan,
    check_safe,
    compare,
    decide,
    without,
)
from reconciler.operations.roll_back import roll_back
from reconciler.plan.events import absence_events, judgement_events, plan_events
from reconciler.policy import Known, Override
from reconciler.policy.levels import ByCommit, changed_by_commit, held_back
from reconciler.report.json.plan import plan_digest
from reconciler.service.attribution import traces_of_drift
from reconciler.service.confirmation import closed, gone_back, not_confirmed
from reconciler.service.dependencies import Dependencies
from reconciler.service.fleet_state import FleetState
from reconciler.service.repair import begin_repairs, with_repairs
from reconciler.service.run_report import RunReport
from reconciler.service.verdict import is_to_blame, verdict_of
from reconciler.service.wanted import Refused, Wanted, by_commit_of, choose, sentence, wanted_of


def reconcile(dependencies: Dependencies, head: str, trigger: str) -> RunRecord:
    """Reconcile the commit `head`, or the last good one when that is refused. What a router, the repository
    or a key does is never raised, nor an unforeseen error: the record says it."""
    # Clocks are set; a run takes what it takes.
    started, began = datetime.now(UTC), time.monotonic()
    report = RunReport()
    in_force = ""

    def work() -> Result:
        nonlocal in_force
        wanted = choose(dependencies, head, report)
        in_force = wanted.commit
        seen = _observe(dependencies, wanted)
        if gone_back(dependencies, wanted, seen, report):
            # Its routers have gone back from it, so it is not wanted any more.
            wanted = choose(dependencies, head, report)
            in_force = wanted.commit
            seen = _observe(dependencies, wanted)
        result = _run(dependencies, wanted, seen, report)
        return Result.INCOMPLETE if in_force != head and result in GOOD else result

    result = attempt("run", head[:12], work)
    if isinstance(result, TunnelwrightError):
        report.notes.append(sentence(result))
        result = Result.FAILED
    report.events += [
        Impaired(one.tunnel, one.router, one.state, one.reason, one.since) for one in dependencies.impaired()
    ]
    if (seen := report.seen) is not None:
        attempt("metrics", "a run", lambda: dependencies.saw(seen))
    return RunRecord(
        started=started,
        finished=started + timedelta(seconds=time.monotonic() - began),
        trigger=trigger,
        head=head,
        in_force=in_force,
        result=result,
        message="; ".join(report.notes),
        events=tuple(report.events),
    )


def _observe(dependencies: Dependencies, wanted: Wanted) -> ObservedPlan:
    seen = compare(wanted.fabric, wanted.desired, dependencies.fleet_of(wanted.fabric))
    dependencies.on_observation(seen.observation)
    return seen


def _run(dependencies: Dependencies, wanted: Wanted, seen: ObservedPlan, report: RunReport) -> Result:
    by_commit = by_commit_of(dependencies, wanted, seen.plan)
    found = report.saw(seen, by_commit)
    repairing = with_repairs(dependencies, wanted, seen, report)
    if repairing is not seen:
        seen, by_commit = repairing, by_commit_of(dependencies, wanted, repairing.plan)
    arming = None
    if dependencies.confirm is not None:
        arming = new_arming(wanted.loaded.digest, wanted.commit, dependencies.confirm)
    seen, decision, held = _decided(dependencies, wanted, seen, by_commit, report, arming=arming)
    dependencies.followed(wanted.fabric)
    _report_drift(dependencies, seen, found, held, report)
    _report_missing(wanted.fabric, seen, report)
    if held:
        named = listed((f"{what} ({why})" for what, why in held.items()), RECORD_NAMED)
        report.notes.append(f"{counted(len(held), 'resource')} held: {named}")
    result = Result.HELD if held else Result.IN_SYNC
    left_out: Errors = {}
    wished = {change.resource for change in decision.allowed.plan.changes}
    if wished:
        begin_repairs(dependencies, decision.allowed, report)
        done, left_out = _changed(dependencies, wanted, decision, by_commit, report, arming=arming)
        result = result if done is None else done
        seen = without(seen, left_out)
    if result in GOOD:
        # What was held, or had no lock, may still prove bad, and needs the commit before it to go
        # back to; what drifts there is no part of the commit.
        waiting = {resource for resource in wished if resource.router in left_out}
        _remember(dependencies, wanted, seen, held, report, good=not any(map(by_commit, {*held, *waiting})))
        if seen.plan.unreachable or seen.plan.keyless:
            return Result.INCOMPLETE
    return result


def _changed(
    dependencies: Dependencies,
    wanted: Wanted,
    decision: Decision,
    by_commit: ByCommit,
    report: RunReport,
    *,
    arming: Arming | None,
) -> tuple[Result | None, Errors]:
    """Carry out what may be done now: what it came to, None where nothing was left to do; and the routers
    that were left out, each with the reason."""
    result: Result | None = None
    left_out: dict[str, TunnelwrightError] = {}

    def report_without(errors: Errors) -> None:
        left_out.update(errors)
        _report_left_out(errors, report)

    def with_locks(refused: Errors) -> Decision:
        report_without(refused)
        return decision.without(refused)

    request = Request(
        routers=decision.allowed.plan.routers,
        decide=with_locks,
        # It was decided before the locks were taken.
        approve=lambda _: True,
        left_out=lambda _, moved: report_without(moved),
        arming=arming,
        conduct=replace(_conduct(dependencies), applied=report.did),
    )
    with converge(dependencies.fleet_of(wanted.fabric), request) as done:
        if done.proven is not None:
            result = _ended(
                dependencies, wanted, done.before, done.proven, by_commit=by_commit, report=report
            )
    return result, left_out


def _remember(
    dependencies: Dependencies,
    wanted: Wanted,
    seen: ObservedPlan,
    held: Mapping[Resource, str],
    report: RunReport,
    *,
    good: bool,
) -> None:
    """Remember the commit of a run that went well, and the routers that were brought to it as a whole. A
    commit is `good` when all of it that could be done was done, and proven."""
    if good and (seen.observation.states or not wanted.desired):
        dependencies.history.set_good(wanted.commit)
        # Should it not be kept, a branch that is rewritten takes it along; the run is what it is.
        kept = attempt("history", "the last good commit", lambda: dependencies.repository.keep(wanted.commit))
        if kept is not None:
            report.notes.append(sentence(kept))
    partly = {resource.router for resource in held}
    partly |= {
        wanted.fabric.tunnels[name].router for name in seen.plan.withheld if name in wanted.fabric.tunnels
    }
    dependencies.history.set_reached(set(seen.observation.states) - partly, wanted.commit)


def _conduct(dependencies: Dependencies) -> Conduct:
    return Conduct(
        timeout=dependencies.timeout,
        probe=True,
        progress=dependencies.progress,
        moved=dependencies.moved,
        on_observation=dependencies.on_observation,
        arming=dependencies.history.open_arming,
        anew=dependencies.anew,
        stopping=dependencies.stopping,
    )


def _decided(
    dependencies: Dependencies,
    wanted: Wanted,
    seen: ObservedPlan,
    by_commit: ByCommit,
    report: RunReport,
    *,
    arming: Arming | None,
) -> tuple[ObservedPlan, Decision, dict[Resource, str]]:
    """What was seen, without the routers that are absent; what of it may be done now; and what is held,
    with the reasons.

    Raises PlanUnsafe.
    """
    held = held_back(wanted.fabric, seen.plan, by_commit)
    # What cuts us off is undone by the routers themselves.
    overrides = frozenset({Override.MANAGEMENT} if arming is not None else ())
    known = _known(dependencies, wanted, seen, by_commit)
    decision = decide(seen, known, overrides, lambda change: change.resource not in held).framed(arming)
    judgement, seen = decision.judgement, decision.rest
    report.withheld(seen.plan)
    planned = {change.resource for change in seen.plan.changes}
    held = {resource: reason for resource, reason in held.items() if resource in planned}
    now = decision.allowed.plan
    planned_now = replace(seen.plan, arming=now.arming, confirming=now.confirming)
    report.events += plan_events(planned_now, plan_digest(seen.plan), now)
    report.events += [Held(resource, reason) for resource, reason in held.items()]
    report.events += judgement_events(judgement)
    check_safe(judgement)
    held |= {resource: deferral.reason for resource, deferral in judgement.deferred.items()}
    return seen, decision, held


def _known(dependencies: Dependencies, wanted: Wanted, seen: ObservedPlan, by_commit: ByCommit) -> Known:
    """What shows that Git had a tunnel end: the router's file of it, and the commit that the router was last
    brought to, where one is known. A router may keep old files."""
    by_files = shown_by_files(wanted.fabric, dependencies.store, seen.observation.states)

    def known(resource: Resource) -> bool:
        return by_commit(resource) and by_files(resource)

    return known


def _report_left_out(left_out: Mapping[str, TunnelwrightError], report: RunReport) -> None:
    """Routers that are as before, because their lock could not be taken or their plan does not hold any more;
    the others are changed."""
    absences = {name: Absence.of(error) for name, error in sorted(left_out.items())}
    report.notes += [absence.sentence(name) for name, absence in absences.items()]
    report.events += absence_events(absences)


def _report_drift(
    dependencies: Dependencies,
    seen: ObservedPlan,
    found: FleetState,
    held: Mapping[Resource, str],
    report: RunReport,
) -> None:
    """What has drifted, and who was at those routers."""
    report.events += [
        Drift(change.resource, change.reason, change.resource in held)
        for change in seen.plan.changes
        if change.resource in found.drift
    ]
    fleet = dependencies.fleet_of(seen.fabric)
    traces = attempt("look-up", "traces", lambda: traces_of_drift(dependencies.history, fleet, found))
    report.events += [] if isinstance(traces, TunnelwrightError) else traces


def _report_missing(fabric: Fabric, seen: ObservedPlan, report: RunReport) -> None:
    """Routers that did not answer; tunnels whose key cannot be read; tunnels that are configured but down,
    which is no drift."""
    for router, absence in sorted(seen.plan.unreachable.items()):
        report.notes.append(absence.sentence(router))
    if keyless := sorted(seen.plan.keyless):
        named = listed((f"{name} ({seen.plan.withheld[name]})" for name in keyless), RECORD_NAMED)
        said = f"{counted(len(keyless), 'tunnel')} withheld for lack of a readable key: {named}"
        report.notes.append(said)
        report.events.append(Trouble(Part.KEYS, said))
    changing = {change.resource.name for change in seen.plan.changes}
    down = [
        tunnel.name
        for tunnel in fabric.tunnels.values()
        if tunnel.enabled
        and tunnel.name not in changing
        and tunnel.router in seen.observation.states
        and not seen.observation.states[tunnel.router].installed(connection_name(tunnel.name))
    ]
    report.events += [Down(name, fabric.tunnels[name].router) for name in down]
    if down:
        report.notes.append(
            f"{counted(len(down), 'tunnel is', 'tunnels are')} configured but down: "
            f"{listed(down, RECORD_NAMED)}"
        )


def _ended(
    dependencies: Dependencies,
    wanted: Wanted,
    before: ObservedPlan,
    proven: Proven,
    *,
    by_commit: ByCommit,
    report: RunReport,
) -> Result:
    """What an apply came to: what had to be confirmed and was not has gone back as a whole."""
    conclusion, lost = proven.conclusion, bool(proven.lost)
    if conclusion is not None:
        report.events += map(StepEnded.of, conclusion.outcomes)
    if conclusion is None or conclusion.stays or proven.applied.stopped:
        result = _concluded(dependencies, wanted, before, proven, by_commit=by_commit, report=report)
    else:
        report.events += proven.checks
        result = not_confirmed(dependencies, wanted, conclusion, lost=lost, report=report)
    if conclusion is not None:
        closed(dependencies, conclusion, lost=lost)
    return result


def _concluded(
    dependencies: Dependencies,
    wanted: Wanted,
    before: ObservedPlan,
    proven: Proven,
    *,
    by_commit: ByCommit,
    report: RunReport,
) -> Result:
    """What an apply came to; what carried traffic before and does not now is rolled back."""
    if proven.applied.stopped and not proven.lost:
        report.notes.append(f"stopped with {counted(len(proven.applied.undone), 'step')} left")
        return Result.STOPPED
    report.events += proven.checks
    verdict = verdict_of(before, proven.applied, proven.proofs)
    report.notes += verdict.waiting[:RECORD_NAMED]
    if not verdict.problems:
        proofs = len(proven.proofs)
        said = f", {counted(proofs, 'tunnel end')} proven" if proofs else ""
        changed = counted(len(before.plan.changes), "resource")
        report.notes += [] if verdict.waiting else [f"{changed} changed{said}"]
        return Result.HELD if verdict.waiting else Result.CHANGED
    report.notes.append(listed(verdict.problems, RECORD_NAMED))
    # A rollback would change what another run has locked by now; that run, or the next one, converges it.
    # What was confirmed has proven good enough.
    may = dependencies.rollback and not proven.lost and proven.conclusion is None
    previous = _previous(dependencies, wanted, report) if verdict.hurt and may else None
    if previous is None:
        return Result.INCOMPLETE
    # What the good commit wants too is not this one's fault, whichever router has not been brought to it yet.
    differs = changed_by_commit(previous.desired, wanted.desired)
    if not is_to_blame(before.plan, verdict.hurt, by_commit, differs):
        return Result.INCOMPLETE
    return _roll_back(dependencies, wanted, previous, before.plan, report)


def _previous(dependencies: Dependencies, wanted: Wanted, report: RunReport) -> Wanted | None:
    """The last good commit, to go back to; None where there is no other one, or it is refused, which is
    reported."""
    good = dependencies.trust.good()
    if good in {"", wanted.commit}:
        return None
    try:
        return wanted_of(dependencies, good, RunReport())
    except Refused as refused:
        report.notes.append(f"cannot roll back to {good[:12]}: {refused.message}")
        return None


def _roll_back(
    dependencies: Dependencies, wanted: Wanted, previous: Wanted, plan: Plan, report: RunReport
) -> Result:
    """Bring back what the last good commit says of everything that the plan changed, at both ends. A router
    that the commit has brought stays as it is: the one before knows nothing of it."""
    reason = report.notes[-1]
    dependencies.history.mark_bad(wanted.loaded.digest, wanted.commit, reason)
    good, fleet = previous.commit, dependencies.fleet_of(previous.fabric)
    rolled = roll_back(previous.fabric, previous.desired, plan, fleet, _conduct(dependencies))
    report.events.append(Rollback(wanted.commit, good, reason))
    report.did(rolled.back, rolled.proven.applied)
    report.events += rolled.proven.checks
    if rolled.wrong:
        wrong = listed(rolled.wrong, RECORD_NAMED)
        report.notes.append(f"the rollback to {good[:12]} is incomplete: {wrong}")
        return Result.INCOMPLETE
    report.notes.append(f"rolled back to {good[:12]}, and proven")
    return Result.ROLLED_BACK
