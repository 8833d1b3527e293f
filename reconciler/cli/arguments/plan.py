"""What `tunnelwright plan` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("plan", help="show what has to change on the live routers")
    options.add_source(parser)
    options.add_routers(parser)
    options.add_selection(parser)
    options.add_overrides(parser)
    options.add_output(parser)
    options.add_verbose(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="save the plan for `apply FILE`")
    parser.add_argument(
        "--detailed-exitcode",
        action="store_true",
        help="end with 2 if there are changes, 0 if there are none",
    )
    options.add_examples(
        parser, "tunnelwright plan --target a-to-b", "tunnelwright plan -l site=berlin --out change.plan"
    )
    parser.set_defaults(run="reconciler.cli.commands.plan:run")
