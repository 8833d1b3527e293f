"""What `tunnelwright reconnect` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("reconnect", help="take a tunnel down and up again")
    options.add_tunnel(parser)
    options.add_tree(parser)
    options.add_routers(parser)
    options.add_output(parser)
    options.add_verbose(parser)
    options.add_applying(parser)
    options.add_overrides(parser)
    options.add_examples(parser, "tunnelwright reconnect a-to-b")
    parser.set_defaults(run="reconciler.cli.commands.reconnect:run")
