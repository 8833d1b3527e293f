"""What `tunnelwright diagnose` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "diagnose", help="find the cause when a tunnel does not come up or carries nothing"
    )
    options.add_tree(parser)
    parser.add_argument("tunnels", nargs="*", metavar="tunnel", help="only these tunnels (default: all)")
    options.add_selector(parser)
    options.add_routers(parser)
    options.add_output(parser)
    parser.add_argument(
        "--force-rekey",
        action="store_true",
        help="rekey the running CHILD_SAs, to find failures of the next rekey now",
    )
    options.add_examples(parser, "tunnelwright diagnose", "tunnelwright diagnose a-to-b")
    parser.set_defaults(run="reconciler.cli.commands.diagnose:run")
