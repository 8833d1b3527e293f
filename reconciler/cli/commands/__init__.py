"""One module for each command."""

from __future__ import annotations

import argparse

from reconciler.cli.commands import (
    allocate,
    apply,
    diagnose,
    graph,
    history,
    import_,
    peer_sheet,
    plan,
    preview,
    reconcile,
    reconnect,
    secret,
    show,
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
        preview,
        plan,
        apply,
        reconnect,
        status,
        verify,
        diagnose,
        peer_sheet,
        secret,
        reconcile,
        history,
        show,
        import_,
    ):
        command.register(subparsers)
