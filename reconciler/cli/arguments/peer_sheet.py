"""What `tunnelwright peer-sheet` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options
from reconciler.report.sheets import FORMATS, TABLE


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("peer-sheet", help="what the other end's administrator needs")
    parser.add_argument("tunnel", help="the tunnel, as seen from our end")
    options.add_tree(parser)
    parser.add_argument(
        "--format", choices=FORMATS, default=TABLE, help="for people, or for which device (%(default)s)"
    )
    parser.add_argument("--with-key", action="store_true", help="put the pre-shared key into it")
    options.add_secrets(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there, readable by you alone")
    options.add_output(parser)
    parser.set_defaults(run="reconciler.cli.commands.peer_sheet:run")
