"""What `tunnelwright rollback` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("rollback", help="prepare a branch that undoes a commit, and preview it")
    parser.add_argument(
        "commit", help="the commit to undo; of a merge commit, what it brought to its first parent"
    )
    options.add_folder(parser)
    parser.add_argument(
        "--branch", metavar="NAME", help="name of the new branch (default: rollback- and the commit's id)"
    )
    options.add_output(parser)
    options.add_verbose(parser)
    options.add_examples(parser, "tunnelwright rollback HEAD")
    parser.set_defaults(run="reconciler.cli.commands.rollback:run")
