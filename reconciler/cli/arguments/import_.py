"""What `tunnelwright import` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import", help="make desired state of what somebody else has configured on a router"
    )
    options.add_folder(parser)
    parser.add_argument(
        "--router",
        action="append",
        default=[],
        metavar="NAME",
        help="only this router of the desired state; repeatable (all of them)",
    )
    parser.add_argument("--lab", metavar="NAME", help="use the routers of this lab in place of the real ones")
    options.add_secrets(parser)
    parser.add_argument(
        "--connection", action="append", default=[], metavar="NAME", help="only this connection; repeatable"
    )
    parser.add_argument(
        "--files",
        action="append",
        default=[],
        metavar="FILE",
        help="read this swanctl.conf here in place of the live router; repeatable",
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="also change the documents of tunnels that are configured otherwise now; all else in them stays",
    )
    parser.add_argument(
        "--write-keys", action="store_true", help="write the keys into the folder of the key files"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write, a file for each router; `-` for standard output (TREE/imported)",
    )
    options.add_output(parser)
    parser.set_defaults(run="reconciler.cli.commands.import_:run")
