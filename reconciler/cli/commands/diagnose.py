"""`tunnelwright diagnose`: why a tunnel does not come up, or carries nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli import access
from reconciler.cli.output import Output
from reconciler.cli.workspace import load_fabric
from reconciler.diagnosis import Finding
from reconciler.model.errors import ExitCode
from reconciler.operations.diagnose import diagnose_tunnels
from reconciler.plan.targets import ends_named
from reconciler.report.finding_text import finding_lines, summary_line
from reconciler.report.json.findings import finding_object
from reconciler.report.json.results import diagnosis_summary_object


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; ends with INCOMPLETE, or UNREACHABLE when a router is silent."""
    tree, names = arguments.tree, tuple(arguments.tunnels)
    if not tree.is_dir() and "/" not in str(tree) and arguments.rev is None:
        # The folder was left out: `diagnose a-to-b`.
        tree, names = Path("desired_state"), (str(tree), *names)
    output = Output(arguments)
    fabric, loaded = load_fabric(tree, arguments.rev, output)
    if arguments.selector:
        names = (*names, *ends_named(fabric, arguments.selector))
    failures: list[Finding] = []
    warnings = 0
    done = diagnose_tunnels(
        fabric,
        loaded.documents,
        access.secret_store(arguments),
        access.fleet_of(fabric, arguments),
        names,
        rekey=arguments.force_rekey,
    )
    for diagnosis in done:
        findings = [item.below(str(tree)) for item in diagnosis.findings]
        output.lines(finding_lines(diagnosis.tunnels, findings))
        output.objects(finding_object(item) for item in findings)
        failures += [item for item in findings if item.failure]
        warnings += sum(not item.failure for item in findings)
    output.lines([summary_line(len(done), len(failures), warnings)])
    looked_at = [name for diagnosis in done for name in diagnosis.tunnels]
    output.objects([diagnosis_summary_object(looked_at, len(failures))])
    if any(item.code == "router-unreachable" for item in failures):
        return ExitCode.UNREACHABLE
    return ExitCode.INCOMPLETE if failures else ExitCode.OK
