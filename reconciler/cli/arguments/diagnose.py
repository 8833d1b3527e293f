"""What `tunnelwright diagnose` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "diagnose", help="name the cause when a tunnel does not come up or carries nothing"
    )
    options.add_tree(parser)
    parser.add_argument("tunnels", nargs="*", metavar="tunnel", help="only these tunnels (all)")
    options.add_routers(parser)
    options.add_output(parser)
    parser.add_argument(
        "--force-rekey",
        action="store_true",
        help="rekey the CHILD_SAs that run: shows at once what would fail at the next rekey",
    )
    parser.set_defaults(run="reconciler.cli.commands.diagnose:run")
