"""`tunnelwright status`: what runs now, and what has drifted. Sends nothing through the tunnels."""

from __future__ import annotations

import argparse

from reconciler.cli import options
from reconciler.model.errors import ExitCode


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("status", help="every IKE_SA and CHILD_SA, traffic, algorithms, drift")
    options.add_tree(parser)
    options.add_routers(parser)
    options.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the status of every router."""
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import fleet_of, load_fabric, secret_store  # noqa: PLC0415
    from reconciler.operations.preview import preview  # noqa: PLC0415
    from reconciler.report.json_lines import plan_objects, status_objects  # noqa: PLC0415
    from reconciler.report.plan_text import withheld_lines  # noqa: PLC0415
    from reconciler.report.status_text import status_lines  # noqa: PLC0415

    output = Output(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output)
    found = preview(fabric, secret_store(arguments), fleet_of(fabric, arguments))
    output.lines(status_lines(fabric, found.observation, found.plan))
    output.lines(withheld_lines(found.plan))
    output.objects(status_objects(found.observation))
    output.objects(plan_objects(found.plan))
    if found.observation.failures:
        return ExitCode.UNREACHABLE
    return ExitCode.INCOMPLETE if found.plan.keyless else ExitCode.OK
