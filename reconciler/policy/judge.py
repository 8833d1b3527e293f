"""A plan against the limits of its fleet: what is refused, and what has to wait. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.facets import files
from reconciler.facets.connections import connection_name
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Action, Disruption, Plan, Resource, ResourceChange
from reconciler.model.router_config import PREFIX, LiveFile, RouterState
from reconciler.policy.windows import closed


class Limit(StrEnum):
    """What can be overridden, by name."""

    DELETIONS = "deletions"
    PROTECTION = "protection"
    INTERRUPTIONS = "interruptions"
    WINDOWS = "windows"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What may not be done: `refused` (the plan as a whole, each reason a sentence) and `waiting` (resource
    -> why it is left for a later run)."""

    refused: tuple[str, ...] = ()
    waiting: Mapping[Resource, str] = field(default_factory=dict)


def judge(
    fabric: Fabric,
    plan: Plan,
    live: Mapping[str, RouterState],
    now: datetime,
    overridden: frozenset[Limit] = frozenset(),
) -> Judgement:
    """Hold a plan against the limits that its own repository sets."""
    removed = [
        change
        for change in plan.changes
        if change.action is Action.DELETE
        and change.resource.kind == "tunnel"
        and change.resource.name not in fabric.tunnels
    ]
    refused = [] if Limit.PROTECTION in overridden else _protected(removed, live)
    if Limit.DELETIONS not in overridden:
        refused += _too_many(fabric, removed, live)
    return Judgement(tuple(refused), _waiting(fabric, plan, now, overridden))


def _protected(removed: list[ResourceChange], live: Mapping[str, RouterState]) -> list[str]:
    """The router's own file remembers the protection, which so outlives the document that declared it."""
    return [
        f"{change.resource} is protected from deletion: apply `deletionProtection: false` first"
        for change in removed
        if files.protected_in(_file(live[change.resource.router], change.resource.name))
    ]


def _file(state: RouterState, tunnel: str) -> LiveFile | None:
    return state.files.get(files.file_name(connection_name(tunnel)))


def _too_many(fabric: Fabric, removed: list[ResourceChange], live: Mapping[str, RouterState]) -> list[str]:
    there = sum(
        len(
            {
                name.removesuffix(".conf")
                for name in (*state.connections, *state.files)
                if name.startswith(PREFIX)
            }
        )
        for state in live.values()
    )
    limit = fabric.safety
    if there < limit.deletions_minimum or len(removed) * 100 <= there * limit.deletions_share:
        return []
    return [
        f"{len(removed)} of {there} tunnel ends would be removed; "
        f"at most {limit.deletions_share} % may be at once (FabricDefaults, spec.safety.deletions)"
    ]


def _waiting(fabric: Fabric, plan: Plan, now: datetime, overridden: frozenset[Limit]) -> dict[Resource, str]:
    """The tunnels, with both ends, and other resources whose interruption has to wait."""
    groups: dict[str, list[ResourceChange]] = {}
    for change in plan.changes:
        group = next((step.group for step in change.steps if step.group), "")
        groups.setdefault(group or str(change.resource), []).append(change)
    harsh = {
        group: changes
        for group, changes in groups.items()
        if max(change.disruption.rank for change in changes) >= Disruption.INTERRUPTS.rank
    }
    shut = "" if Limit.WINDOWS in overridden else closed(fabric.safety.windows, now)
    if shut:
        return {change.resource: shut for changes in harsh.values() for change in changes}
    most = fabric.safety.interruptions
    if most is None or Limit.INTERRUPTIONS in overridden:
        return {}
    reason = f"one run interrupts at most {most} tunnels"
    later = sorted(harsh)[most:]
    return {change.resource: reason for group in later for change in harsh[group]}
