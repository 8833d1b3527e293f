"""`tunnelwright show RUN`: one run of the reconciler in full."""

from __future__ import annotations

import argparse

from reconciler.cli import options
from reconciler.model.errors import ExitCode


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("show", help="one run of the reconciler: its plan, steps and checks")
    parser.add_argument("number", type=int, metavar="RUN", help="its number, as `history` shows it")
    options.add_settings(parser)
    options.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what the run found and did."""
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import open_history  # noqa: PLC0415
    from reconciler.report.json_lines import run_object  # noqa: PLC0415
    from reconciler.report.run_text import run_lines  # noqa: PLC0415

    output = Output(arguments)
    record = open_history(arguments.config, output).run(arguments.number)
    output.lines(run_lines(record))
    output.objects([run_object(record), *record.objects])
    return ExitCode.OK
