"""What `tunnelwright expand` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "expand", help="print all documents, each connection as the documents of its two ends"
    )
    options.add_source(parser)
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright expand", "tunnelwright expand desired_state --rev v1.2")
    parser.set_defaults(run="reconciler.cli.commands.expand:run")
