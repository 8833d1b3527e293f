"""`tunnelwright status`: prints the condition of every connection. Sends nothing through the tunnels."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

from reconciler.cli import access
from reconciler.cli.output import Output
from reconciler.cli.service_state import HISTORY, service_settings
from reconciler.cli.workspace import load_fabric
from reconciler.history.store import History
from reconciler.model.condition import ConnectionCondition, State
from reconciler.model.errors import ExitCode
from reconciler.model.suggestion import check_known
from reconciler.operations.observed_plan import ObservedPlan
from reconciler.operations.status import Status, status
from reconciler.plan.targets import named
from reconciler.report.json.carriage import carriage_object, last_change_object
from reconciler.report.json.plan import plan_objects
from reconciler.report.json.run import way_back_objects
from reconciler.report.json.status import condition_objects, status_objects
from reconciler.report.plan_text import address_lines, withheld_lines
from reconciler.report.status_text import detail_lines, router_lines, status_lines
from reconciler.report.way_back_text import way_back_lines

_FAILING = {
    "down": frozenset({State.DOWN, State.SILENT}),
    "degraded": frozenset({State.DOWN, State.SILENT, State.DEGRADED}),
}


def run(arguments: argparse.Namespace) -> int:
    """Print the condition of every connection that is asked for, once or again and again."""
    output = Output(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output)
    arguments.target = named(fabric, arguments.target)
    check_known(arguments.target, {*fabric.routers, *fabric.tunnels}, "router or tunnel")
    store, fleet = access.secret_store(arguments), access.fleet_of(fabric, arguments)
    history = _history(arguments.config, output)
    while True:
        code = _show(status(fabric, store, fleet, history), arguments, output)
        if arguments.watch is None:
            return code
        sleep(arguments.watch)


def _history(config: Path | None, output: Output) -> History | None:
    """That of the service with these settings."""
    if config is None:
        return None
    settings = service_settings(config, output).values
    return History(Path(settings.state).expanduser() / HISTORY)


def _show(found: Status, arguments: argparse.Namespace, output: Output) -> int:
    asked = [one for one in found.connections if _is_asked(one, arguments)]
    if arguments.watch is not None:
        output.clear()
    _print(found.drift, asked, arguments, output)
    if found.drift.observation.failures:
        return ExitCode.UNREACHABLE
    if found.drift.plan.keyless or _fails(asked, arguments.fail_on):
        return ExitCode.INCOMPLETE
    return ExitCode.OK


def _print(
    found: ObservedPlan, asked: Sequence[ConnectionCondition], arguments: argparse.Namespace, output: Output
) -> None:
    way_back = found.observation.ways_back
    output.lines(way_back_lines(way_back, datetime.now(UTC)))
    output.objects(way_back_objects(way_back))
    now = datetime.now(UTC)
    output.lines(status_lines(asked, now, every=arguments.all, wide=arguments.wide))
    if arguments.verbose:
        output.lines(detail_lines(asked))
    output.lines(router_lines(found.fabric, found.observation, found.plan, detail=arguments.verbose))
    output.lines(withheld_lines(found.plan))
    output.lines(address_lines(found.plan))
    output.objects(condition_objects(asked))
    output.objects(carriage_object(one.carriage) for one in asked if one.carriage is not None)
    output.objects(
        last_change_object(one.name, one.last_change) for one in asked if one.last_change is not None
    )
    output.objects(status_objects(found.observation))
    output.objects(plan_objects(found.plan))


def _is_asked(one: ConnectionCondition, arguments: argparse.Namespace) -> bool:
    concerned = not arguments.target or one.concerns(arguments.target)
    return concerned and (not arguments.state or one.state in arguments.state)


def _fails(asked: Sequence[ConnectionCondition], fail_on: Collection[str]) -> bool:
    failing = {state for what in fail_on for state in _FAILING.get(what, ())}
    return any(one.state in failing or ("drift" in fail_on and one.drifts) for one in asked)
