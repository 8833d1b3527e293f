"""`tunnelwright reconnect`: takes tunnels down and up again, which interrupts their traffic."""

from __future__ import annotations

import argparse

from reconciler.cli.change import change_routers
from reconciler.cli.tunnels import named_tunnels


def run(arguments: argparse.Namespace) -> int:
    """An apply of these tunnels alone, with a reconnect whether or not anything differs."""
    words = named_tunnels(arguments)
    arguments.target, arguments.exclude = [], []
    return change_routers(arguments, reconnect=words)
