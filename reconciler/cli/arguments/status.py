"""What `tunnelwright status` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("status", help="show IKE_SAs and CHILD_SAs, their traffic, and drift")
    options.add_tree(parser)
    options.add_routers(parser)
    options.add_output(parser)
    parser.set_defaults(run="reconciler.cli.commands.status:run")
