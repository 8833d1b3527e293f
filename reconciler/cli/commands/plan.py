"""`tunnelwright plan`: what an apply would do, and what each step does to traffic. Changes nothing."""

from __future__ import annotations

import argparse

from reconciler.cli import saved_plan
from reconciler.cli.out_file import check_out
from reconciler.cli.output import Output
from reconciler.cli.plan_view import planning_of, show_decision
from reconciler.cli.workspace import folder, load_fabric
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.report.json.plan import plan_digest


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    output = Output(arguments)
    if arguments.out is not None:
        if not folder(arguments.tree):
            raise TunnelwrightError(
                "a plan of standard input cannot be saved, because `apply` reads the documents again",
                hint="write the documents to a folder and name that",
            )
        check_out(arguments.out)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output, stream=True)
    planning = planning_of(arguments, fabric)
    decision = planning.checked(
        lambda made: show_decision(output, made, made.found.observation.ways_back, whole=arguments.verbose)
    )
    if arguments.out is not None:
        # The whole of it: what is withheld is decided anew when it is applied.
        plan = decision.found.plan
        saved = saved_plan.SavedPlan(
            arguments.tree,
            loaded.revision,
            loaded.digest,
            plan_digest(plan),
            arguments.lab,
            planning.targets,
            planning.excluded,
        )
        saved_plan.write(arguments.out, saved, plan)
    if decision.judgement.refusals:
        return ExitCode.UNSAFE
    judged = decision.judged.plan
    if judged.unreachable:
        return ExitCode.UNREACHABLE
    if judged.keyless:
        return ExitCode.INCOMPLETE
    if arguments.detailed_exitcode and not judged.empty:
        return ExitCode.CHANGES
    return ExitCode.OK
