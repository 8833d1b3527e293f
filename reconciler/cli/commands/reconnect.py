"""`tunnelwright reconnect`: takes one tunnel down and up again, which interrupts its traffic."""

from __future__ import annotations

import argparse

from reconciler.cli.change import change_routers
from reconciler.model.router_config import Asked


def run(arguments: argparse.Namespace) -> int:
    """An apply of that tunnel alone, with a reconnect whether or not anything differs."""
    arguments.target, arguments.exclude = [arguments.tunnel], []
    return change_routers(arguments, asked=Asked(reconnect=frozenset({arguments.tunnel})))
