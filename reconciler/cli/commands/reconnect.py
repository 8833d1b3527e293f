"""`tunnelwright reconnect`: takes one tunnel down and up again, which interrupts its traffic."""

from __future__ import annotations

import argparse

from reconciler.cli.commands.apply import perform


def run(arguments: argparse.Namespace) -> int:
    """An apply of that tunnel alone, with a reconnect whether or not anything differs."""
    arguments.target, arguments.exclude = [arguments.tunnel], []
    return perform(arguments, reconnect=frozenset({arguments.tunnel}))
