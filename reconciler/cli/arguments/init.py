"""What `tunnelwright init` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "init",
        help="write a new desired state with modern defaults, an example, .gitignore and a workflow",
    )
    options.add_folder(parser)
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright init", "tunnelwright init network/desired_state")
    parser.set_defaults(run="reconciler.cli.commands.init:run")
