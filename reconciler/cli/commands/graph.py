"""`tunnelwright graph`: the fabric as a picture, in Mermaid. Needs no router and no key."""

from __future__ import annotations

import argparse

from reconciler.cli.output import Output
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode
from reconciler.report.json.results import graph_object
from reconciler.report.line import Line
from reconciler.report.mermaid import graph_lines


def run(arguments: argparse.Namespace) -> int:
    """Print the flowchart; ends with INVALID when the desired state has errors."""
    output = Output(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output, stream=True)
    lines = list(graph_lines(fabric))
    output.lines(map(Line, lines))
    output.objects([graph_object("\n".join(lines))])
    return ExitCode.OK
