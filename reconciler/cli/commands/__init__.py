"""One module for each command."""

from __future__ import annotations

import argparse

from reconciler.cli.commands import (
    allocate,
    apply,
    diagnose,
    graph,
    peer_sheet,
    plan,
    reconnect,
    status,
    validate,
    verify,
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add every command to the parser."""
    for command in (
        validate,
        graph,
        allocate,
        plan,
        apply,
        reconnect,
        status,
        verify,
        diagnose,
        peer_sheet,
    ):
        command.register(subparsers)
