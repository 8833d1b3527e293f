"""What `tunnelwright explain` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "explain", help="print every effective value of a tunnel, with the file and line of its source"
    )
    parser.add_argument("tunnel", help="name of a tunnel end, or of a connection for both of its ends")
    options.add_source(parser)
    options.add_output(parser)
    options.add_examples(
        parser, "tunnelwright explain a-to-b", "tunnelwright explain site-a--site-b --rev origin/main"
    )
    parser.set_defaults(run="reconciler.cli.commands.explain:run")
