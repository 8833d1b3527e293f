"""One module for each command."""

from __future__ import annotations

import argparse

from reconciler.cli.commands import allocate, apply, graph, plan, status, validate, verify


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add every command to the parser."""
    for command in (validate, graph, allocate, plan, apply, status, verify):
        command.register(subparsers)
