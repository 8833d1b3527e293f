"""`tunnelwright verify`: send real packets through every tunnel and check both ends."""

from __future__ import annotations

import argparse

from reconciler.cli import access
from reconciler.cli.next_command import diagnose_hint
from reconciler.cli.output import Output
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode
from reconciler.model.listing import counted
from reconciler.operations.verify import verify
from reconciler.report.check_text import check_lines
from reconciler.report.json.apply import check_object
from reconciler.report.json.plan import plan_objects
from reconciler.report.line import Line
from reconciler.report.plan_text import withheld_lines


def run(arguments: argparse.Namespace) -> int:
    """Print every check; ends with INCOMPLETE when one fails or something has drifted."""
    output = Output(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output)
    checks, drift = verify(
        fabric, access.secret_store(arguments), access.fleet_of(fabric, arguments), arguments.target
    )
    output.lines(check_lines(checks))
    output.objects(check_object(check) for check in checks)
    output.objects(plan_objects(drift))
    output.lines(withheld_lines(drift))
    drifted = [f"{change.resource}: {change.reason}" for change in drift.changes]
    output.lines(Line(f"  ✗ drift: {text}", "bold red") for text in drifted)
    good = sum(check.passed for check in checks)
    passed = f"{good} of {counted(len(checks), 'check')} passed"
    output.lines([Line(f"Verified: {passed}, {counted(len(drifted), 'resource')} drifted.", "bold")])
    if good < len(checks):
        # A check is called after its tunnel.
        failed = [check.name.partition(":")[0] for check in checks if not check.passed]
        output.lines([diagnose_hint(arguments, failed)])
    if drift.unreachable:
        return ExitCode.UNREACHABLE
    good_enough = good == len(checks) and not drifted and not drift.keyless
    return ExitCode.OK if good_enough else ExitCode.INCOMPLETE
