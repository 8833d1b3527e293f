"""What `tunnelwright verify` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "verify", help="probe every tunnel with packets and check both of its ends"
    )
    options.add_tree(parser)
    options.add_targets(parser, "probe only tunnels of this router, or this tunnel or connection")
    options.add_routers(parser)
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright verify", "tunnelwright verify -l site=berlin")
    parser.set_defaults(run="reconciler.cli.commands.verify:run")
