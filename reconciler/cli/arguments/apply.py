"""What `tunnelwright apply` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "apply", help="change the live routers to the desired state, or apply a saved plan"
    )
    options.add_tree(parser, ", or a file from `plan --out`")
    options.add_routers(parser)
    options.add_selection(parser)
    options.add_output(parser)
    options.add_verbose(parser)
    options.add_applying(parser)
    options.add_overrides(parser)
    parser.add_argument(
        "--plan", type=Path, metavar="FILE", help="apply this saved plan, without asking for approval"
    )
    options.add_examples(parser, "tunnelwright apply --confirm 5m", "tunnelwright apply change.plan")
    parser.set_defaults(run="reconciler.cli.commands.apply:run")
