"""`tunnelwright apply`: do what the plan says, then prove it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import options
from reconciler.model.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.cli.saved_plan import SavedPlan

_QUESTION = "Apply this plan? Only `yes` is taken: "


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("apply", help="make the live routers as desired, or apply a saved plan")
    options.add_tree(parser)
    options.add_routers(parser)
    options.add_selection(parser)
    options.add_output(parser)
    options.add_applying(parser)
    options.add_overrides(parser)
    parser.add_argument("--plan", type=Path, metavar="FILE", help="apply this saved plan; asks nothing")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Plan or read the saved plan, then `perform` it."""
    from reconciler.cli import saved_plan  # noqa: PLC0415

    # `apply FILE` is what users of such tools type.
    path = arguments.plan or (arguments.tree if arguments.tree.is_file() else None)
    saved = saved_plan.read(path) if path is not None else None
    if saved is not None:
        arguments.tree, arguments.rev, arguments.lab = saved.tree, saved.rev, saved.lab
        arguments.target, arguments.exclude = saved.target, saved.exclude
    return perform(arguments, saved=saved)


def perform(
    arguments: argparse.Namespace,
    *,
    saved: SavedPlan | None = None,
    reconnect: frozenset[str] = frozenset(),
) -> int:
    """Lock, plan, ask, apply, look again; the exit code. `reconnect` names tunnels to take down and up."""
    from reconciler.cli.output import Output, ask  # noqa: PLC0415
    from reconciler.cli.workspace import connector, load_fabric, secret_store  # noqa: PLC0415
    from reconciler.locking import locked  # noqa: PLC0415
    from reconciler.model.errors import Locked, TunnelwrightError  # noqa: PLC0415
    from reconciler.policy import Override  # noqa: PLC0415
    from reconciler.report import cost_text, json_lines, judgement_text, plan_text  # noqa: PLC0415
    from reconciler.run import (  # noqa: PLC0415
        apply,
        check_keys,
        check_safe,
        judge_preview,
        narrowed,
        preview,
        within_one_apply,
        without,
    )
    from reconciler.targets import check_reconnect, check_targets, targeting  # noqa: PLC0415

    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output)
    check_reconnect(fabric, reconnect)
    connect, store = connector(fabric, arguments.lab), secret_store(arguments)
    selected = targeting(fabric, tuple(arguments.target), tuple(arguments.exclude))
    # What is planned under the lock is still true when it is applied.
    with locked(
        connect, fabric.routers, arguments.lock_timeout, parallelism=arguments.parallelism
    ) as refused:
        taken = [error for error in refused.values() if isinstance(error, Locked)]
        if taken and (saved is not None or not arguments.auto_approve):
            # A saved plan is done as a whole; and whoever is asked decides first whether to wait.
            raise taken[0]
        left_out = ExitCode.LOCKED if taken else ExitCode.UNREACHABLE
        before = preview(
            fabric, store, connect, selected, parallelism=arguments.parallelism, reconnect=reconnect
        )
        before = without(before, refused)
        check_targets(fabric, before.plan, tuple(arguments.target))
        check_keys(before, store)
        if saved is not None:
            saved.check(loaded, before.plan)
        output.lines(plan_text.plan_lines(before.plan))
        output.objects(json_lines.plan_objects(before.plan))
        judgement = judge_preview(before, frozenset(map(Override, arguments.override)))
        output.lines(judgement_text.judgement_lines(judgement))
        output.objects(json_lines.judgement_objects(judgement))
        check_safe(judgement)
        if before.plan.empty:
            return left_out if before.plan.unreachable else ExitCode.OK
        if judgement.deferrals:
            before = narrowed(before, judgement.allows)
            if before.plan.empty:
                return ExitCode.DEFERRED
        if saved is None and not arguments.auto_approve and ask(_QUESTION) != "yes":
            raise TunnelwrightError("the plan was not approved", hint="--auto-approve applies without asking")
        applied = apply(
            before,
            within_one_apply(connect, before.plan),
            patience=arguments.wait,
            parallelism=arguments.parallelism,
            progress=lambda outcome: output.lines([plan_text.outcome_line(outcome)], sys.stderr),
        )
    output.lines(cost_text.cost_lines(applied.cost.losses, applied.cost.unmeasured))
    output.lines(plan_text.applied_lines(before.plan, applied.outcomes, applied.remaining, applied.checks))
    output.objects(json_lines.outcome_object(outcome) for outcome in applied.outcomes)
    output.objects(json_lines.check_object(check) for check in applied.checks)
    output.objects(json_lines.loss_object(loss) for loss in applied.cost.losses)
    output.objects([{"type": "apply_summary", "converged": applied.converged}])
    if before.plan.unreachable:
        return left_out
    if not applied.converged:
        return ExitCode.INCOMPLETE
    if judgement.deferrals:
        output.lines([judgement_text.still_waiting(judgement)])
        return ExitCode.DEFERRED
    return ExitCode.OK
