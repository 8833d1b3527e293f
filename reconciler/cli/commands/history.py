"""`tunnelwright history`: what the reconciler did, run by run."""

from __future__ import annotations

import argparse

from reconciler.cli import options
from reconciler.model.errors import ExitCode


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("history", help="the reconciler's latest runs")
    options.add_settings(parser)
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many (%(default)s)")
    parser.add_argument(
        "--forgive", metavar="COMMIT", help="let a commit that was taken back be tried once more"
    )
    options.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the runs, newest last, as a log does."""
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import open_history  # noqa: PLC0415
    from reconciler.report.json_lines import run_object  # noqa: PLC0415
    from reconciler.report.run_text import run_line  # noqa: PLC0415

    output = Output(arguments)
    history = open_history(arguments.config, output)
    if arguments.forgive is not None:
        history.forgive(arguments.forgive)
        return ExitCode.OK
    runs = history.runs(arguments.limit)[::-1]
    output.lines(run_line(record) for record in runs)
    output.objects(run_object(record) for record in runs)
    return ExitCode.OK
