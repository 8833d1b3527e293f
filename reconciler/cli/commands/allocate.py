"""`tunnelwright allocate`: give every VIP without an address one, for good, in the lock file."""

from __future__ import annotations

import argparse

from reconciler.cli import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("allocate", help="assign free addresses to VIPs that name none")
    options.add_tree(parser)
    options.add_output(parser)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when the lock file is out of date"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the lock file, or check it."""
    raise NotImplementedError
