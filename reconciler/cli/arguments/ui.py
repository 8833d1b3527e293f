"""What `tunnelwright ui` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "ui", help="show the fleet in a browser, read-only, until Ctrl-C; only this machine reaches the page"
    )
    options.add_tree(parser)
    parser.add_argument(
        "--port",
        type=options.port,
        default=8081,
        metavar="PORT",
        help="listen on this port of 127.0.0.1; 0 chooses a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--interval",
        type=options.pause,
        default=10.0,
        metavar="SECONDS",
        help="observe the routers again after each pause of SECONDS, at least 1 (default: %(default)g)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="read the settings of the reconciler from FILE, and show its runs, events and probes too",
    )
    options.add_routers(parser)
    options.add_output(parser)
    options.add_examples(parser, "tunnelwright ui", "tunnelwright ui --lab demo --stand-in-keys --port 9000")
    parser.set_defaults(run="reconciler.cli.commands.ui:run", extra="page")
