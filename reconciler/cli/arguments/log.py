"""What `tunnelwright log` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "log", help="print the lines of the charon logs about a tunnel, at both of its ends"
    )
    options.add_tunnel(parser)
    options.add_tree(parser)
    options.add_lab(parser)
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--follow", action="store_true", help="read the charon logs until Ctrl-C")
    how_long.add_argument(
        "--seconds",
        type=options.seconds,
        default=10.0,
        metavar="N",
        help="read the charon logs for this long (default: %(default)g)",
    )
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright log a-to-b --follow")
    parser.set_defaults(run="reconciler.cli.commands.log:run")
