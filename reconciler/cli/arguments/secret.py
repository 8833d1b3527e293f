"""What `tunnelwright secret` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with its own."""
    parser = subparsers.add_parser("secret", help="keys in the repository, encrypted by age")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    action = actions.add_parser("init", help="make an identity, and add it to the recipients")
    _shared(action)

    action = actions.add_parser("set", help="encrypt a key that standard input gives, into a new file")
    action.add_argument("name", help="the file, as documents refer to it: keys/a--b.age")
    action.add_argument("--random", action="store_true", help="encrypt a new random key instead")
    action.add_argument("--replace", action="store_true", help="put it in the place of the key that is there")
    _shared(action)

    action = actions.add_parser("rotate", help="put a new random key in the place of one")
    action.add_argument("names", nargs="+", metavar="name", help="the files, as documents refer to them")
    _shared(action)

    action = actions.add_parser("rekey", help="encrypt every key to the present recipients")
    _shared(action)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tree",
        type=Path,
        default=Path("desired_state"),
        metavar="DIR",
        help="folder of the desired state (%(default)s)",
    )
    options.add_secrets(parser)
    options.add_output(parser)
    parser.set_defaults(run="reconciler.cli.commands.secret:run")
