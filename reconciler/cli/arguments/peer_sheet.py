"""What `tunnelwright peer-sheet` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options
from reconciler.report.sheets import FORMATS, TABLE


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "peer-sheet", help="print the configuration for the administrator of an unmanaged peer"
    )
    parser.add_argument("tunnel", help="name of our end of the tunnel")
    options.add_source(parser)
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=TABLE,
        help="print a table for people, or the syntax of a device (default: %(default)s)",
    )
    parser.add_argument("--with-key", action="store_true", help="include the pre-shared key")
    options.add_secrets(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the sheet to FILE, readable only by you"
    )
    options.add_output(parser)
    options.add_examples(
        parser,
        "tunnelwright peer-sheet hub-to-partner",
        "tunnelwright peer-sheet hub-to-partner --format fortigate --out partner.txt",
    )
    parser.set_defaults(run="reconciler.cli.commands.peer_sheet:run")
