"""What `tunnelwright allocate` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("allocate", help="assign free addresses to VIPs without an address")
    options.add_folder(parser)
    options.add_output(parser)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; end with 2 if the lock file is out of date"
    )
    parser.add_argument(
        "--base",
        metavar="REV",
        help="let a VIP keep the address that the lock file of REV gives it, if two have it after a merge",
    )
    options.add_examples(parser, "tunnelwright allocate", "tunnelwright allocate --check")
    parser.set_defaults(run="reconciler.cli.commands.allocate:run")
