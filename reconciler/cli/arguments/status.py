"""What `tunnelwright status` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options
from reconciler.model.condition import State


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "status", help="show the state of every connection, its traffic and drift; those in trouble first"
    )
    options.add_tree(parser)
    options.add_targets(parser, "show only connections with this router or tunnel")
    parser.add_argument(
        "--state",
        action="append",
        default=[],
        choices=[str(state) for state in State],
        metavar="STATE",
        help=f"show only connections in this state ({'; '.join(State)}); repeatable",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="list every connection (default: of more than 40, only those in trouble and those that drift)",
    )
    parser.add_argument("--wide", action="store_true", help="print the addresses of both ends too")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="print every IKE_SA and CHILD_SA of both ends too"
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        const=5.0,
        type=options.seconds,
        metavar="SECONDS",
        help="observe again after each pause of SECONDS (default: 5), until Ctrl-C",
    )
    parser.add_argument(
        "--fail-on",
        action="append",
        default=[],
        choices=["down", "degraded", "drift"],
        metavar="WHAT",
        help="exit with 8 if a connection is `down` (or carries nothing), is `degraded` or worse, or has "
        "`drift`; repeatable",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="read the settings of the reconciler from FILE, and also print what its probes know: "
        "since when, loss, round trips, the last change",
    )
    options.add_routers(parser)
    options.add_output(parser)
    options.add_examples(
        parser, "tunnelwright status --state down --wide", "tunnelwright status -l site=berlin --watch 10"
    )
    parser.set_defaults(run="reconciler.cli.commands.status:run")
