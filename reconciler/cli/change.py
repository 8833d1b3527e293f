"""What `apply`, `reconnect` and `vip release` have in common: plan, ask, apply and report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from reconciler.cli.interrupt import Interrupt
from reconciler.cli.next_command import diagnose_hint
from reconciler.cli.output import Output, ask, say
from reconciler.cli.plan_view import planning_of, show_decision
from reconciler.cli.saved_plan import SavedPlan
from reconciler.cli.step_lines import StepLines
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode, Locked, PlanStale, TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.model.labels import LabelSelector
from reconciler.model.operation import Switch
from reconciler.model.outcome import Check, Status
from reconciler.model.router_config import NOTHING_ASKED, Asked
from reconciler.operations.apply import Applied
from reconciler.operations.confirm import forget_reported, new_arming
from reconciler.operations.converge import Conduct, Converged, Errors, Request, converge
from reconciler.operations.observed_plan import Decision, ObservedPlan
from reconciler.plan.targets import check_reconnect, one_end_each
from reconciler.policy import Override
from reconciler.report import cost_text, judgement_text, plan_text
from reconciler.report.json.apply import check_object, dropped_object, loss_object, outcome_object
from reconciler.report.json.plan import absence_objects
from reconciler.report.json.results import apply_summary_object

_NEXT = "the next apply completes the remaining steps"
_QUESTION = "Apply this plan? Type `yes` to approve: "


def change_routers(
    arguments: argparse.Namespace,
    *,
    saved: SavedPlan | None = None,
    asked: Asked = NOTHING_ASKED,
    reconnect: Sequence[str | LabelSelector] = (),
) -> int:
    """Carry out what there is to do (`reconciler/operations/converge.py`); the exit code. If VIPs are to be
    released, their removal is all that is done; if tunnels are to `reconnect`, they are all that changes."""
    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output)
    asked = _reconnecting(arguments, fabric, asked, reconnect)
    # What cuts us off is undone by the routers themselves where a change has to be confirmed.
    overrides = () if arguments.confirm is None else (Override.MANAGEMENT,)
    planning = planning_of(arguments, fabric, asked=asked, overrides=overrides)
    asks = saved is None and not arguments.auto_approve
    steps, signals = StepLines(output, whole=arguments.verbose), Interrupt()
    arming = None
    if arguments.confirm is not None:
        arming = new_arming(loaded.digest, loaded.revision or "", arguments.confirm)

    def decided(refused: Errors) -> Decision:
        taken = [error for error in refused.values() if isinstance(error, Locked)]
        if taken and (asks or saved is not None):
            # A saved plan is not begun beside another run, and a person who is asked may want to wait.
            raise taken[0]
        if saved is None:
            return planning.decided(refused)
        return planning.decided(refused, lambda found: saved.check(loaded, found.plan))

    def approved(_: ObservedPlan) -> bool:
        if asks and ask(_QUESTION) != "yes":
            raise TunnelwrightError("the plan was not approved", hint="type `yes`, or use --auto-approve")
        signals.begin()
        return asks

    def shown(decision: Decision) -> None:
        backs = decision.judged.observation.ways_back
        show_decision(output, decision, backs, whole=arguments.verbose)
        steps.expect(decision.allowed.plan.listed_steps)
        forget_reported(backs, planning.fleet)

    request = Request(
        routers=planning.routers,
        decide=decided,
        show=shown,
        approve=approved,
        left_out=lambda again, _: _report_left_out(output, again),
        lock_timeout=arguments.lock_timeout,
        arming=arming,
        conduct=Conduct(
            timeout=arguments.wait,
            progress=steps.ended,
            stopping=signals.stopping,
            anew=arguments.links.clear,
        ),
    )
    try:
        with signals.taken(), converge(planning.fleet, request) as done:
            pass  # Its report may take as long as it likes: the locks are given back first.
    except KeyboardInterrupt:
        if steps.begun:
            say(f"{steps.account}; {_NEXT}")
        raise
    if done.proven is not None:
        applied = done.proven.applied
        checks = () if done.proven.conclusion is None else done.proven.checks
        _report_outcome(output, done.before, applied, checks, _names_left_out(done))
        failed = [outcome.step for outcome in applied.outcomes if outcome.status is Status.FAILED]
        down = [step.group for step in failed if isinstance(step.operation, Switch)]
        output.lines([diagnose_hint(arguments, down)] if down else [])
    if signals.requested and done.proven is not None and done.proven.applied.stopped:
        say(f"interrupted: {steps.account}; {_NEXT}")
        return ExitCode.INTERRUPTED
    return _ending(output, done)


def _reconnecting(
    arguments: argparse.Namespace, fabric: Fabric, asked: Asked, words: Sequence[str | LabelSelector]
) -> Asked:
    """What is asked, with the tunnels that are to reconnect: they are the targets then."""
    names = one_end_each(fabric, words)
    check_reconnect(fabric, names)
    arguments.target += names
    return replace(asked, reconnect=frozenset(names))


def _ending(output: Output, done: Converged) -> ExitCode:
    """What an apply ends with. What was left out comes first, then what was not done, then what waits."""
    if left_out := _left_out(done):
        return left_out
    if done.proven is not None and not done.proven.applied.converged:
        return ExitCode.INCOMPLETE
    if not done.decision.judgement.deferrals:
        return ExitCode.OK
    if done.proven is not None:
        output.lines([judgement_text.still_waiting(done.decision.judgement)])
    return ExitCode.DEFERRED


def _left_out(done: Converged) -> ExitCode:
    """The code for routers and tunnels that had no part in an apply; OK where there are none. Routers that
    moved during the question count where nothing else was left out, and where they do not answer."""
    plan = done.decision.judged.plan
    code = ExitCode.INCOMPLETE if plan.keyless else ExitCode.OK
    if plan.unreachable:
        taken = any(isinstance(error, Locked) for error in done.refused.values())
        code = ExitCode.LOCKED if taken else ExitCode.UNREACHABLE
    if any(not isinstance(error, PlanStale) for error in done.moved.values()):
        return ExitCode.UNREACHABLE
    return ExitCode.STALE if done.moved and code is ExitCode.OK else code


def _names_left_out(done: Converged) -> list[str]:
    """The routers and tunnels for which the exit code is another than OK."""
    if _left_out(done) is ExitCode.OK:
        return []
    plan = done.decision.judged.plan
    return sorted({*plan.unreachable, *plan.withheld, *done.moved})


def _report_left_out(output: Output, again: ObservedPlan) -> None:
    output.lines(plan_text.left_out_lines(again.plan))
    output.objects(absence_objects(again.plan.unreachable))


def _report_outcome(
    output: Output, before: ObservedPlan, applied: Applied, proofs: Sequence[Check], left_out: Sequence[str]
) -> None:
    checks = (*applied.checks, *proofs)
    output.lines(cost_text.cost_lines(applied.cost.losses, applied.cost.unmeasured, applied.dropped))
    output.lines(plan_text.applied_lines(before.plan, applied.outcomes, applied.remaining, checks, left_out))
    output.objects(outcome_object(outcome) for outcome in applied.outcomes)
    output.objects(check_object(check) for check in checks)
    output.objects(loss_object(loss) for loss in applied.cost.losses)
    output.objects(dropped_object(dropped) for dropped in applied.dropped)
    output.objects([apply_summary_object(converged=applied.converged)])
