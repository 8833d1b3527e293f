"""`tunnelwright reconnect`: take one tunnel down and up again. Its traffic is interrupted meanwhile."""

from __future__ import annotations

import argparse

from reconciler.cli import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("reconnect", help="take one tunnel down and up again")
    parser.add_argument("tunnel", help="the tunnel; of a managed pair, either end")
    options.add_tree(parser)
    options.add_routers(parser)
    options.add_output(parser)
    options.add_applying(parser)
    options.add_overrides(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """An apply of that tunnel alone, with a reconnect whether or not anything differs."""
    from reconciler.cli.commands.apply import perform  # noqa: PLC0415

    arguments.target, arguments.exclude = [arguments.tunnel], []
    return perform(arguments, reconnect=frozenset({arguments.tunnel}))
