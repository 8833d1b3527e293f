"""`tunnelwright validate`: is the desired state right? Needs no router and no key."""

from __future__ import annotations

import argparse

from reconciler.cli.output import Output
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode
from reconciler.model.fabric import transits
from reconciler.model.listing import counted
from reconciler.report.json.results import note_object, transit_object, valid_object
from reconciler.report.line import Line
from reconciler.report.transit_text import transit_lines
from reconciler.validate.policies import weak_default


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; ends with INVALID when there are errors."""
    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output, stream=True)
    text = (
        f"Valid: {counted(len(fabric.routers), 'router')}, {counted(len(fabric.tunnels), 'tunnel end')}, "
        f"{counted(len(fabric.vips), 'VIP')} in {counted(len(loaded.documents), 'document')}."
    )
    weak = weak_default(fabric)
    notes = [Line(f"Note: {weak}.", "yellow")] if weak else []
    output.lines([Line(text, "bold green"), *transit_lines(fabric), *notes])
    output.objects(transit_object(*found) for found in transits(fabric))
    output.objects([note_object(weak)] if weak else [])
    output.objects([valid_object(fabric, len(loaded.documents), loaded.digest)])
    return ExitCode.OK
