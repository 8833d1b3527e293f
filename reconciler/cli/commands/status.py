"""`tunnelwright status`: prints running SAs and drift. Sends nothing through the tunnels."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from reconciler.cli import access
from reconciler.cli.output import Output
from reconciler.cli.workspace import load_fabric
from reconciler.facets.way_back import told
from reconciler.model.errors import ExitCode
from reconciler.operations.preview import preview
from reconciler.report.json.plan import plan_objects
from reconciler.report.json.run import way_back_objects
from reconciler.report.json.status import status_objects
from reconciler.report.plan_text import address_lines, withheld_lines
from reconciler.report.status_text import status_lines
from reconciler.report.way_back_text import way_back_lines


def run(arguments: argparse.Namespace) -> int:
    """Print the status of every router."""
    output = Output(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output)
    found = preview(fabric, access.secret_store(arguments), access.fleet_of(fabric, arguments))
    way_back = list(told(found.observation.states))
    output.lines(way_back_lines(way_back, datetime.now(UTC)))
    output.objects(way_back_objects(way_back))
    output.lines(status_lines(fabric, found.observation, found.plan))
    output.lines(withheld_lines(found.plan))
    output.lines(address_lines(found.plan))
    output.objects(status_objects(found.observation))
    output.objects(plan_objects(found.plan))
    if found.observation.failures:
        return ExitCode.UNREACHABLE
    return ExitCode.INCOMPLETE if found.plan.keyless else ExitCode.OK
