"""What `tunnelwright vip` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with its own."""
    parser = subparsers.add_parser("vip", help="remove VIPs that deleted tunnels have left")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    action = actions.add_parser("release", help="remove an unused VIP from its router")
    action.add_argument("address", help="the address, as `status` lists it")
    options.add_tree(action)
    options.add_routers(action)
    options.add_output(action)
    options.add_verbose(action)
    options.add_applying(action)
    options.add_examples(action, "tunnelwright vip release 198.51.100.10")
    action.set_defaults(run="reconciler.cli.commands.vip:run", override=[])
