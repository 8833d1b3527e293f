"""`tunnelwright validate`: is the desired state right? Needs no router and no key."""

from __future__ import annotations

import argparse

from reconciler.cli import options
from reconciler.model.errors import ExitCode


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("validate", help="check the desired state; every problem at once")
    options.add_tree(parser)
    options.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; ends with INVALID when there are errors."""
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import load_fabric  # noqa: PLC0415
    from reconciler.report.line import Line  # noqa: PLC0415

    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output)
    text = (
        f"Valid: {len(fabric.routers)} routers, {len(fabric.tunnels)} tunnel ends, {len(fabric.vips)} VIPs "
        f"in {len(loaded.documents)} documents."
    )
    output.lines([Line(text, "bold green")])
    output.objects(
        [
            {
                "type": "valid",
                "routers": len(fabric.routers),
                "tunnels": len(fabric.tunnels),
                "documents": len(loaded.documents),
                "digest": loaded.digest,
            }
        ]
    )
    return ExitCode.OK
