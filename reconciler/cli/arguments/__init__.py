"""What can be typed: one module for each command. It names the function that does it as text, so that nothing
is imported but what the command that was typed needs."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import (
    allocate,
    apply,
    convert,
    diagnose,
    expand,
    explain,
    graph,
    history,
    import_,
    init,
    log,
    peer_sheet,
    plan,
    preview,
    reconcile,
    reconnect,
    rollback,
    schema,
    secret,
    show,
    status,
    ui,
    validate,
    verify,
    vip,
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add every command to the parser."""
    for command in (
        init,
        validate,
        expand,
        explain,
        graph,
        allocate,
        preview,
        plan,
        apply,
        reconnect,
        status,
        ui,
        verify,
        diagnose,
        log,
        vip,
        peer_sheet,
        schema,
        secret,
        reconcile,
        history,
        show,
        rollback,
        import_,
        convert,
    ):
        command.register(subparsers)
