"""What `tunnelwright schema` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("schema", help="write the JSON Schemas of all documents, for editors")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to write to; it is created")
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright schema .schemas")
    parser.set_defaults(run="reconciler.cli.commands.schema:run")
