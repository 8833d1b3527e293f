"""What `tunnelwright convert` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "convert", help="join the two documents of each managed pair to one IPsecConnection"
    )
    options.add_folder(parser)
    parser.add_argument(
        "--tunnel",
        action="append",
        default=[],
        metavar="NAME",
        help="only the pair of this tunnel end; repeatable (default: all pairs)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="write nothing; print the difference of the files"
    )
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright convert --dry-run", "tunnelwright convert --tunnel a-to-b")
    parser.set_defaults(run="reconciler.cli.commands.convert:run")
