"""What `plan` and the commands that change routers share: what they plan, and how they show it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime

from reconciler.cli import access
from reconciler.cli.output import Output
from reconciler.model.fabric import Fabric
from reconciler.model.router_config import NOTHING_ASKED, Asked
from reconciler.model.way_back import Armed, WentBack
from reconciler.operations.observed_plan import Decision
from reconciler.operations.planning import Planning
from reconciler.plan.targets import named
from reconciler.policy import Override
from reconciler.report.json.judgement import judgement_objects
from reconciler.report.json.plan import plan_objects
from reconciler.report.json.run import way_back_objects
from reconciler.report.judgement_text import judgement_lines
from reconciler.report.plan_text import NO_ROUTERS, plan_lines
from reconciler.report.way_back_text import way_back_lines


def planning_of(
    arguments: argparse.Namespace,
    fabric: Fabric,
    *,
    asked: Asked = NOTHING_ASKED,
    overrides: Iterable[Override] = (),
) -> Planning:
    """What `--target`, `--exclude` and `--override` name of a fabric; `overrides` are limits to set aside
    besides."""
    return Planning(
        fabric,
        access.secret_store(arguments),
        access.fleet_of(fabric, arguments),
        named(fabric, arguments.target),
        named(fabric, arguments.exclude),
        frozenset([*map(Override, arguments.override), *overrides]),
        asked,
    )


def show_decision(
    output: Output, decision: Decision, backs: Iterable[Armed | WentBack], *, whole: bool
) -> None:
    """Write a plan, what of it may be done now, and above it the routers that are armed or have gone back.
    Many resources and steps of one kind are shown together, unless the `whole` plan is wanted."""
    found, plan, now = tuple(backs), decision.judged.plan, decision.allowed.plan
    output.lines(way_back_lines(found, datetime.now(UTC)))
    output.objects(way_back_objects(found))
    unchanged = "" if decision.judged.fabric.routers else NO_ROUTERS
    output.lines(plan_lines(plan, unchanged, now, whole=whole))
    output.objects(plan_objects(plan, now))
    output.lines(judgement_lines(decision.judgement))
    output.objects(judgement_objects(decision.judgement))
