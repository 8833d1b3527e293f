"""`tunnelwright diagnose`: why a tunnel does not come up, or carries nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import options
from reconciler.model.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.diagnosis import Finding


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "diagnose", help="name the cause when a tunnel does not come up or carries nothing"
    )
    options.add_tree(parser)
    parser.add_argument("tunnels", nargs="*", metavar="tunnel", help="only these tunnels (all)")
    options.add_routers(parser)
    options.add_output(parser)
    parser.add_argument(
        "--force-rekey",
        action="store_true",
        help="rekey the CHILD_SAs that run: shows at once what would fail at the next rekey",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; ends with INCOMPLETE, or UNREACHABLE when a router is silent."""
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import fleet_of, load_fabric, secret_store  # noqa: PLC0415
    from reconciler.operations.diagnose import diagnose_tunnels  # noqa: PLC0415
    from reconciler.report.finding_text import finding_lines, summary_line  # noqa: PLC0415
    from reconciler.report.json_lines import finding_object  # noqa: PLC0415

    tree, names = arguments.tree, tuple(arguments.tunnels)
    if not tree.is_dir() and "/" not in str(tree) and arguments.rev is None:
        # The folder was left out: `diagnose a-to-b`.
        tree, names = Path("desired_state"), (str(tree), *names)
    output = Output(arguments)
    fabric, loaded = load_fabric(tree, arguments.rev, output)
    failures: list[Finding] = []
    done = diagnose_tunnels(
        fabric,
        loaded.documents,
        secret_store(arguments),
        fleet_of(fabric, arguments),
        names,
        rekey=arguments.force_rekey,
    )
    for diagnosis in done:
        findings = [item.below(str(tree)) for item in diagnosis.findings]
        output.lines(finding_lines(diagnosis.tunnels, findings))
        output.objects(finding_object(item) for item in findings)
        failures += [item for item in findings if item.failure]
    output.lines([summary_line(len(done), len(failures))])
    looked_at = [name for diagnosis in done for name in diagnosis.tunnels]
    output.objects([{"type": "diagnosis_summary", "tunnels": looked_at, "findings": len(failures)}])
    if any(item.code == "router-unreachable" for item in failures):
        return ExitCode.UNREACHABLE
    return ExitCode.INCOMPLETE if failures else ExitCode.OK
