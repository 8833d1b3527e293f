"""What `tunnelwright show` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("show", help="print one run of the reconciler: its plan, steps and checks")
    parser.add_argument("number", type=int, metavar="RUN", help="number of the run, as printed by `history`")
    options.add_settings(parser)
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright show 7 --config reconcile.yaml")
    parser.set_defaults(run="reconciler.cli.commands.show:run")
