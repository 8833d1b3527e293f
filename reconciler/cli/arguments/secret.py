"""What `tunnelwright secret` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with its own."""
    parser = subparsers.add_parser("secret", help="manage keys in the repository, encrypted with age")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    action = actions.add_parser("init", help="create an identity, and add it to the recipients")
    _shared(action)
    options.add_examples(action, "tunnelwright secret init")

    action = actions.add_parser("set", help="encrypt a key from standard input into a new file")
    which = action.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", help="file name that documents use: keys/a--b.age")
    which.add_argument(
        "--missing", action="store_true", help="encrypt a new random key into each file that documents lack"
    )
    action.add_argument("--random", action="store_true", help="encrypt a new random key instead")
    action.add_argument("--replace", action="store_true", help="replace an existing key")
    _shared(action)
    options.add_examples(
        action, "tunnelwright secret set keys/a--b.age --random", "tunnelwright secret set --missing"
    )

    action = actions.add_parser("rotate", help="replace keys with new random keys")
    action.add_argument("names", nargs="+", metavar="name", help="file names that documents use")
    _shared(action)
    options.add_examples(action, "tunnelwright secret rotate keys/a--b.age")

    action = actions.add_parser("rekey", help="encrypt every key for the present recipients")
    _shared(action)
    options.add_examples(action, "tunnelwright secret rekey")


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tree",
        type=Path,
        default=Path("desired_state"),
        metavar="DIR",
        help="folder of the desired state (default: %(default)s)",
    )
    options.add_secrets(parser)
    options.add_output(parser)
    parser.set_defaults(run="reconciler.cli.commands.secret:run")
