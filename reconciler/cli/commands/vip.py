"""`tunnelwright vip release`: removes a VIP that a deleted tunnel has left."""

from __future__ import annotations

import argparse

from reconciler.cli.change import change_routers
from reconciler.model.router_config import Asked


def run(arguments: argparse.Namespace) -> int:
    """An apply of that removal alone."""
    arguments.target, arguments.exclude = [], []
    return change_routers(arguments, asked=Asked(release=frozenset({arguments.address})))
