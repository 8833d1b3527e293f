"""`tunnelwright vip release`: removes a VIP that a deleted tunnel has left."""

from __future__ import annotations

import argparse

from reconciler.cli.commands.apply import perform


def run(arguments: argparse.Namespace) -> int:
    """An apply of that removal alone."""
    arguments.target, arguments.exclude = [], []
    return perform(arguments, released=arguments.address)
