"""Self-repair: a tunnel that is up and carries nothing is diagnosed, and reconnected where new SAs may help.

A reconnect interrupts the tunnel, so it is planned and judged as whatever else does: levels, windows and
budgets hold. One that has not helped is not repeated soon.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from reconciler.diagnosis import reconnect_may_help
from reconciler.model import bounds
from reconciler.model.condition import State
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import Diagnosed
from reconciler.model.isolation import attempt
from reconciler.model.router_config import Asked
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.operations.diagnose import Diagnosis, diagnose_compiled
from reconciler.operations.observed_plan import ObservedPlan, planned
from reconciler.policy.levels import held_back
from reconciler.service.dependencies import Dependencies
from reconciler.service.run_report import RunReport
from reconciler.service.wanted import Wanted, by_commit_of, sentence


def with_repairs(
    dependencies: Dependencies, wanted: Wanted, seen: ObservedPlan, report: RunReport
) -> ObservedPlan:
    """An observed plan with the reconnects of tunnels that carry nothing. What each diagnosis has found is
    reported."""
    times = dependencies.diagnosed
    if times is None:
        return seen
    silent = _silent(dependencies, seen, times)
    # The history is read of as few as it takes.
    due = (name for name in _unheld(dependencies, wanted, seen, silent) if _is_due(dependencies, name))
    names = list(islice(due, bounds.SELF_REPAIRS))
    if not names:
        return seen
    now = time.monotonic()
    for name, then in list(times.items()):
        if now - then >= bounds.SELF_REPAIR_AGAIN:
            del times[name]
    times.update(dict.fromkeys(names, now))
    dependencies.moved()
    fleet = dependencies.fleet_of(wanted.fabric)
    documents = wanted.loaded.documents
    found = attempt(
        "diagnosis",
        "tunnels",
        lambda: diagnose_compiled(wanted.fabric, wanted.desired, documents, fleet, names),
    )
    dependencies.moved()
    if isinstance(found, TunnelwrightError):
        report.notes.append(f"no diagnosis of tunnels that carry nothing: {sentence(found)}")
        return seen
    diagnosed = [_diagnosed(wanted, name, found) for name in names]
    report.events += diagnosed
    helped = [one.tunnel for one in diagnosed if one.reconnects]
    return _asking(seen, helped) if helped else seen


def begin_repairs(dependencies: Dependencies, before: ObservedPlan, report: RunReport) -> None:
    """Remember the reconnects of such tunnels that are about to be made: they are not repeated soon, whatever
    comes of the run."""
    causes = {one.tunnel: str(one) for one in report.events if isinstance(one, Diagnosed) and one.reconnects}
    events = [
        TunnelEvent(
            datetime.now(UTC), what.router, what.name, TunnelChange.RECONNECTED, detail=causes[what.name]
        )
        for what in (change.resource for change in before.plan.changes)
        if what.is_tunnel and what.name in causes
    ]
    if events:
        dependencies.history.add_tunnel_events(events)


def _silent(dependencies: Dependencies, seen: ObservedPlan, times: Mapping[str, float]) -> list[str]:
    """Tunnels that carry nothing though their routers are as desired, by the end from which they are probed;
    not those that were diagnosed a short time ago."""
    fabric, plan, names = seen.fabric, seen.plan, []
    busy = {change.resource.name for change in plan.changes if change.resource.is_tunnel} | set(plan.withheld)
    now = time.monotonic()
    for one in dependencies.impaired():
        name = one.tunnel
        if one.state is not State.SILENT or name not in fabric.tunnels:
            continue
        ends = fabric.ends_of(name)
        rests = busy.isdisjoint(end.name for end in ends)
        observed = all(end.enabled and end.router in seen.observation.states for end in ends)
        if rests and observed and now - times.get(name, -math.inf) >= bounds.SELF_REPAIR_AGAIN:
            names.append(name)
    return names


def is_due(reconnected: Iterable[datetime], now: datetime) -> bool:
    """Whether a tunnel may be reconnected again, given when that was done before. Each reconnect within a day
    doubles the time until the next one. A time that lies ahead does not count: the clock was set back."""
    ages = [(now - then).total_seconds() for then in reconnected]
    recent = [age for age in ages if 0 <= age < bounds.SELF_REPAIR_DAY]
    pause = bounds.SELF_REPAIR_AGAIN * 2.0 ** (len(recent) - 1)
    return not recent or min(recent) >= min(pause, bounds.SELF_REPAIR_DAY)


def _is_due(dependencies: Dependencies, tunnel: str) -> bool:
    events = dependencies.history.tunnel_events(tunnel, bounds.EVENTS_OF_TUNNEL)
    reconnected = (event.at for event in events if event.change is TunnelChange.RECONNECTED)
    return is_due(reconnected, datetime.now(UTC))


def _unheld(dependencies: Dependencies, wanted: Wanted, seen: ObservedPlan, names: list[str]) -> list[str]:
    """The tunnels that a run may reconnect by itself: not those whose levels say otherwise."""
    if not names:
        return []
    plan = _asking(seen, names).plan
    held = {what.name for what in held_back(seen.fabric, plan, by_commit_of(dependencies, wanted, plan))}
    return [name for name in names if name not in held]


def _asking(seen: ObservedPlan, names: Iterable[str]) -> ObservedPlan:
    """The same observation, planned with reconnects."""
    asked = Asked(reconnect=frozenset(names))
    desired = {name: replace(config, asked=asked) for name, config in seen.desired.items()}
    return replace(seen, desired=desired, plan=planned(desired, seen.observation, seen.selected))


def _diagnosed(wanted: Wanted, tunnel: str, found: Iterable[Diagnosis]) -> Diagnosed:
    findings = [finding for one in found if tunnel in one.tunnels for finding in one.findings]
    causes = tuple(f"{finding.message} ({finding.code})" for finding in findings if finding.failure)
    router = wanted.fabric.tunnels[tunnel].router
    return Diagnosed(tunnel, router, causes, reconnect_may_help(findings))
