"""What `tunnelwright reconcile` takes."""

from __future__ import annotations

import argparse

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("reconcile", help="follow a repository: fetch, plan, apply, prove, record")
    options.add_settings(parser)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--once", action="store_true", help="make one run, then exit; for cron and timers")
    instead.add_argument(
        "--check",
        action="store_true",
        help="only print the settings, and every problem that would affect the service",
    )
    parser.add_argument("--lab", metavar="NAME", help="use the routers of this lab instead of the real ones")
    options.add_output(parser)
    options.add_examples(
        parser,
        "tunnelwright reconcile --config reconcile.yaml --check",
        "tunnelwright reconcile --config reconcile.yaml",
    )
    parser.set_defaults(run="reconciler.cli.commands.reconcile:run")
