"""`tunnelwright apply`: do what the plan says, then prove it."""

from __future__ import annotations

import argparse
import sys

from reconciler.apply.locking import locked
from reconciler.cli import access, saved_plan
from reconciler.cli.output import Output, ask
from reconciler.cli.saved_plan import SavedPlan
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode, Locked, PlanStale, TunnelwrightError
from reconciler.model.plan import Plan
from reconciler.operations.apply import Applied, apply, within_one_apply
from reconciler.operations.desired import check_keys, shown_by_files
from reconciler.operations.preview import (
    Preview,
    check_safe,
    check_selection,
    confirmed,
    judge_preview,
    preview,
    within_limits,
    without,
)
from reconciler.plan.targets import check_reconnect, targeting
from reconciler.policy import Judgement, Override
from reconciler.report import cost_text, json_lines, judgement_text, plan_text
from reconciler.routers.fleet import Connect

_QUESTION = "Apply this plan? Only `yes` is taken: "


def run(arguments: argparse.Namespace) -> int:
    """Plan or read the saved plan, then `perform` it."""
    # `apply FILE` is what users of such tools type.
    path = arguments.plan or (arguments.tree if arguments.tree.is_file() else None)
    saved = saved_plan.read(path) if path is not None else None
    if saved is not None:
        _refuse_others(arguments, saved)
        arguments.tree, arguments.rev, arguments.lab = saved.tree, saved.rev, saved.lab
        arguments.target, arguments.exclude = saved.target, saved.exclude
    return perform(arguments, saved=saved)


def _refuse_others(arguments: argparse.Namespace, saved: SavedPlan) -> None:
    """Raises TunnelwrightError for an option that says something else than the plan was made with: whoever
    gave it expects that it counts."""
    pairs = {
        "--rev": (arguments.rev, saved.rev),
        "--lab": (arguments.lab, saved.lab),
        "--target": (tuple(arguments.target), saved.target),
        "--exclude": (tuple(arguments.exclude), saved.exclude),
    }
    others = [option for option, (given, its) in pairs.items() if given and given != its]
    if others:
        raise TunnelwrightError(
            f"the saved plan was made with another {' and another '.join(others)}",
            hint="leave it out, since the plan brings its own along; or make a new plan",
        )


def perform(
    arguments: argparse.Namespace,
    *,
    saved: SavedPlan | None = None,
    reconnect: frozenset[str] = frozenset(),
) -> int:
    """Lock, plan, ask, apply, look again; the exit code. `reconnect` names tunnels to take down and up."""
    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output)
    check_reconnect(fabric, reconnect)
    connect, store = access.connector(fabric, arguments.lab, arguments.links), access.secret_store(arguments)
    selected = targeting(fabric, tuple(arguments.target), tuple(arguments.exclude))
    # What is planned under the lock is still true when it is applied.
    with locked(
        connect, fabric.routers, arguments.lock_timeout, parallelism=arguments.parallelism
    ) as refused:
        taken = [error for error in refused.values() if isinstance(error, Locked)]
        if taken and (saved is not None or not arguments.auto_approve):
            # A saved plan is not begun beside another run, and whoever is asked may want to wait.
            raise taken[0]
        before = preview(
            fabric, store, connect, selected, parallelism=arguments.parallelism, reconnect=reconnect
        )
        before = without(before, refused)
        if saved is not None:
            saved.check(loaded, before.plan)
        else:
            check_selection(before, arguments.target, arguments.exclude)
        known = shown_by_files(fabric, store, before.observation.states)
        before, judgement = judge_preview(before, known, frozenset(map(Override, arguments.override)))
        allowed = within_limits(before, judgement)
        _tell_plan(output, before, judgement, allowed.plan)
        check_safe(judgement)
        left_out = _left_out(before.plan, taken=bool(taken))
        before = allowed
        check_keys(fabric, before.plan)
        if not before.plan.empty and saved is None and not arguments.auto_approve:
            before, moved = _approved(output, before, connect, arguments.parallelism)
            left_out = moved if moved is ExitCode.UNREACHABLE or left_out is ExitCode.OK else left_out
        if before.plan.empty:
            return left_out or (ExitCode.DEFERRED if judgement.deferrals else ExitCode.OK)
        applied = apply(
            before,
            within_one_apply(connect, before.plan),
            timeout=arguments.wait,
            parallelism=arguments.parallelism,
            progress=lambda outcome: output.lines([plan_text.outcome_line(outcome)], sys.stderr),
        )
    _tell_outcome(output, before, applied)
    if left_out:
        return left_out
    if not applied.converged:
        return ExitCode.INCOMPLETE
    if judgement.deferrals:
        output.lines([judgement_text.still_waiting(judgement)])
        return ExitCode.DEFERRED
    return ExitCode.OK


def _left_out(plan: Plan, *, taken: bool) -> ExitCode:
    """What an apply ends with that has done all it could and left something out; OK for nothing. `taken` says
    whether somebody else holds a lock."""
    if plan.unreachable:
        return ExitCode.LOCKED if taken else ExitCode.UNREACHABLE
    return ExitCode.INCOMPLETE if plan.keyless else ExitCode.OK


def _tell_plan(output: Output, before: Preview, judgement: Judgement, now: Plan) -> None:
    unchanged = "" if before.fabric.routers else plan_text.NO_ROUTERS
    output.lines(plan_text.plan_lines(before.plan, unchanged, now))
    output.objects(json_lines.plan_objects(before.plan, now))
    output.lines(judgement_text.judgement_lines(judgement))
    output.objects(json_lines.judgement_objects(judgement))


def _approved(
    output: Output, before: Preview, connect: Connect, parallelism: int
) -> tuple[Preview, ExitCode]:
    """Ask, and look again: whoever was asked took their time. What is left is what was approved, where that
    is true still, and what to end with: STALE when a router is not as it was.

    Raises TunnelwrightError for any other answer than `yes`.
    """
    if ask(_QUESTION) != "yes":
        raise TunnelwrightError("the plan was not approved", hint="--auto-approve applies without asking")
    again, moved = confirmed(before, connect, parallelism)
    output.lines(plan_text.left_out_lines(again.plan))
    output.objects(json_lines.absence_objects(again.plan.unreachable))
    if not moved:
        return again, ExitCode.OK
    stale = all(isinstance(error, PlanStale) for error in moved.values())
    return again, ExitCode.STALE if stale else ExitCode.UNREACHABLE


def _tell_outcome(output: Output, before: Preview, applied: Applied) -> None:
    output.lines(cost_text.cost_lines(applied.cost.losses, applied.cost.unmeasured))
    output.lines(plan_text.applied_lines(before.plan, applied.outcomes, applied.remaining, applied.checks))
    output.objects(json_lines.outcome_object(outcome) for outcome in applied.outcomes)
    output.objects(json_lines.check_object(check) for check in applied.checks)
    output.objects(json_lines.loss_object(loss) for loss in applied.cost.losses)
    output.objects([{"type": "apply_summary", "converged": applied.converged}])
