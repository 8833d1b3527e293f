"""What `tunnelwright import` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import", help="turn connections that were configured by hand into desired state"
    )
    options.add_folder(parser)
    parser.add_argument(
        "--router",
        action="append",
        default=[],
        metavar="NAME",
        help="import only from this router of the desired state; repeatable (default: all)",
    )
    parser.add_argument("--lab", metavar="NAME", help="use the routers of this lab instead of the real ones")
    options.add_secrets(parser)
    parser.add_argument(
        "--connection",
        action="append",
        default=[],
        metavar="NAME",
        help="import only this connection; repeatable",
    )
    parser.add_argument(
        "--files",
        action="append",
        default=[],
        metavar="FILE",
        help="read this local swanctl.conf instead of the live router; repeatable",
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="also update documents whose connection has changed; comments and formatting stay",
    )
    parser.add_argument("--write-keys", action="store_true", help="write the keys to the folder of key files")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write one file for each router to DIR; `-` for standard output (default: TREE/imported)",
    )
    options.add_output(parser)
    options.add_examples(
        parser,
        "tunnelwright import --router berlin",
        "tunnelwright import --router berlin --files /etc/swanctl/swanctl.conf --out -",
    )
    parser.set_defaults(run="reconciler.cli.commands.import_:run")
