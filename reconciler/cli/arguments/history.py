"""What `tunnelwright history` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("history", help="print the latest runs of the reconciler")
    options.add_settings(parser)
    parser.add_argument(
        "--limit",
        type=int,
        default=20,
        metavar="N",
        help="show this many runs, or events and runs of a tunnel (default: %(default)s)",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--tunnel",
        metavar="NAME",
        help="print when this tunnel or connection went up and down, and the runs that changed it",
    )
    options.add_selector(instead)
    instead.add_argument(
        "--accept",
        metavar="COMMIT",
        help="accept this commit although it is unsigned, or does not descend from the last good one",
    )
    instead.add_argument(
        "--forgive", metavar="COMMIT", help="allow a commit that was rolled back to be tried once more"
    )
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright history --config reconcile.yaml --tunnel a-to-b")
    parser.set_defaults(run="reconciler.cli.commands.history:run")
