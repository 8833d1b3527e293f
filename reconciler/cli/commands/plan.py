"""`tunnelwright plan`: what an apply would do, and what each step does to traffic. Changes nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli import options
from reconciler.model.errors import ExitCode


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("plan", help="show what has to change on the live routers")
    options.add_tree(parser)
    options.add_routers(parser)
    options.add_selection(parser)
    options.add_overrides(parser)
    options.add_output(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="save the plan for `apply FILE`")
    parser.add_argument(
        "--detailed-exitcode",
        action="store_true",
        help="end with 2 when there are changes, 0 when there are none",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    from reconciler.cli import saved_plan  # noqa: PLC0415
    from reconciler.cli.out_file import check_out  # noqa: PLC0415
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import connector, load_fabric, secret_store  # noqa: PLC0415
    from reconciler.operations.desired import check_keys, shown_by_files  # noqa: PLC0415
    from reconciler.operations.preview import (  # noqa: PLC0415
        check_selection,
        judge_preview,
        preview,
        within_limits,
    )
    from reconciler.plan.targets import targeting  # noqa: PLC0415
    from reconciler.policy import Override  # noqa: PLC0415
    from reconciler.report.json_lines import judgement_objects, plan_digest, plan_objects  # noqa: PLC0415
    from reconciler.report.judgement_text import judgement_lines  # noqa: PLC0415
    from reconciler.report.plan_text import NO_ROUTERS, plan_lines  # noqa: PLC0415

    output = Output(arguments)
    if arguments.out is not None:
        check_out(arguments.out)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output)
    targets, excluded = tuple(arguments.target), tuple(arguments.exclude)
    store = secret_store(arguments)
    found = preview(
        fabric,
        store,
        connector(fabric, arguments.lab, arguments.links),
        targeting(fabric, targets, excluded),
        parallelism=arguments.parallelism,
    )
    check_selection(found, targets, excluded)
    known = shown_by_files(fabric, store, found.observation.states)
    judged, judgement = judge_preview(found, known, frozenset(map(Override, arguments.override)))
    now = within_limits(judged, judgement).plan
    output.lines(plan_lines(judged.plan, "" if fabric.routers else NO_ROUTERS, now))
    output.objects(plan_objects(judged.plan, now))
    output.lines(judgement_lines(judgement))
    output.objects(judgement_objects(judgement))
    check_keys(fabric, now)
    if arguments.out is not None:
        # The whole of it: what is withheld is decided anew when it is applied.
        saved = saved_plan.SavedPlan(
            arguments.tree,
            loaded.revision,
            loaded.digest,
            plan_digest(found.plan),
            arguments.lab,
            targets,
            excluded,
        )
        saved_plan.write(arguments.out, saved, found.plan)
    if judgement.refusals:
        return ExitCode.UNSAFE
    if judged.plan.unreachable:
        return ExitCode.UNREACHABLE
    if judged.plan.keyless:
        return ExitCode.INCOMPLETE
    if arguments.detailed_exitcode and not judged.plan.empty:
        return ExitCode.CHANGES
    return ExitCode.OK
