"""`tunnelwright plan`: what an apply would do, and what each step does to traffic. Changes nothing."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from reconciler.cli import access, saved_plan
from reconciler.cli.out_file import check_out
from reconciler.cli.output import Output
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode
from reconciler.operations.desired import check_keys, shown_by_files
from reconciler.operations.preview import check_selection, decide, preview
from reconciler.plan.targets import named, targeting
from reconciler.policy import Override
from reconciler.report.json.judgement import judgement_objects
from reconciler.report.json.plan import plan_digest, plan_objects
from reconciler.report.json.run import way_back_objects
from reconciler.report.judgement_text import judgement_lines
from reconciler.report.plan_text import NO_ROUTERS, plan_lines
from reconciler.report.way_back_text import way_back_lines
from reconciler.routers.way_back import told


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    output = Output(arguments)
    if arguments.out is not None:
        check_out(arguments.out)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output)
    targets, excluded = named(fabric, arguments.target), named(fabric, arguments.exclude)
    store = access.secret_store(arguments)
    found = preview(
        fabric,
        store,
        access.fleet_of(fabric, arguments),
        targeting(fabric, targets, excluded),
    )
    check_selection(found, targets, excluded)
    known = shown_by_files(fabric, store, found.observation.states)
    decision = decide(found, known, frozenset(map(Override, arguments.override)))
    judged, judgement, now = decision.judged, decision.judgement, decision.allowed.plan
    way_back = list(told(found.observation.states))
    output.lines(way_back_lines(way_back, datetime.now(UTC)))
    output.objects(way_back_objects(way_back))
    output.lines(plan_lines(judged.plan, "" if fabric.routers else NO_ROUTERS, now))
    output.objects(plan_objects(judged.plan, now))
    output.lines(judgement_lines(judgement))
    output.objects(judgement_objects(judgement))
    check_keys(fabric, now)
    if arguments.out is not None:
        # The whole of it: what is withheld is decided anew when it is applied.
        saved = saved_plan.SavedPlan(
            arguments.tree,
            loaded.revision,
            loaded.digest,
            plan_digest(found.plan),
            arguments.lab,
            targets,
            excluded,
        )
        saved_plan.write(arguments.out, saved, found.plan)
    if judgement.refusals:
        return ExitCode.UNSAFE
    if judged.plan.unreachable:
        return ExitCode.UNREACHABLE
    if judged.plan.keyless:
        return ExitCode.INCOMPLETE
    if arguments.detailed_exitcode and not judged.plan.empty:
        return ExitCode.CHANGES
    return ExitCode.OK
