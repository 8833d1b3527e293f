"""What `tunnelwright history` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("history", help="the reconciler's latest runs")
    options.add_settings(parser)
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many (%(default)s)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--accept",
        metavar="COMMIT",
        help="accept this commit although it is unsigned, or does not descend from the last good one",
    )
    instead.add_argument(
        "--forgive", metavar="COMMIT", help="let a commit that was rolled back be tried once more"
    )
    options.add_output(parser)
    parser.set_defaults(run="reconciler.cli.commands.history:run")
