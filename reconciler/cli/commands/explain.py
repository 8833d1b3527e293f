"""`tunnelwright explain`: which document says each value of a tunnel. Needs no router and no key."""

from __future__ import annotations

import argparse

from reconciler.cli.output import Output
from reconciler.cli.workspace import folder, load_fabric
from reconciler.model.errors import ExitCode
from reconciler.operations.explain import explain
from reconciler.plan.targets import find_tunnel
from reconciler.report.explained_text import explained_lines
from reconciler.report.json.results import explained_object


def run(arguments: argparse.Namespace) -> int:
    """Print the values of one end, or of both ends of a connection."""
    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output, stream=True)
    named = find_tunnel(fabric, fabric.tunnel_of(arguments.tunnel))
    ends = (named,) if named.name == arguments.tunnel else fabric.ends_of(named.name)
    for name, found in explain(loaded, fabric, [end.name for end in ends]).items():
        values = [value.below(folder(arguments.tree)) for value in found]
        output.lines(explained_lines(name, values))
        output.objects(explained_object(name, value) for value in values)
    return ExitCode.OK
