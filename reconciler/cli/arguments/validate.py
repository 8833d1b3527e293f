"""What `tunnelwright validate` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("validate", help="check the desired state and report every problem")
    options.add_source(parser)
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright validate", "tunnelwright validate --rev origin/main --json")
    parser.set_defaults(run="reconciler.cli.commands.validate:run")
