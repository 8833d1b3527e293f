"""What `tunnelwright graph` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("graph", help="print the fabric as a Mermaid flowchart")
    options.add_source(parser)
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright graph")
    parser.set_defaults(run="reconciler.cli.commands.graph:run")
