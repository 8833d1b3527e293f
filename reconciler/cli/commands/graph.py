"""`tunnelwright graph`: the fabric as a picture, in Mermaid. Needs no router and no key."""

from __future__ import annotations

import argparse

from reconciler.cli import options
from reconciler.model.errors import ExitCode


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("graph", help="print the fabric as a Mermaid flowchart")
    options.add_tree(parser)
    options.add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the flowchart; ends with INVALID when the desired state has errors."""
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import load_fabric  # noqa: PLC0415
    from reconciler.report.line import Line  # noqa: PLC0415
    from reconciler.report.mermaid import graph_lines  # noqa: PLC0415

    output = Output(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output)
    lines = list(graph_lines(fabric))
    output.lines(map(Line, lines))
    output.objects([{"type": "graph", "mermaid": "\n".join(lines)}])
    return ExitCode.OK
