"""What a reconcile run holds, and why: the levels that Git sets for fleet, router and tunnel.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from reconciler.model.fabric import Fabric, Level, Mode
from reconciler.model.plan import Action, Plan, Resource, ResourceChange, ResourceKind
from reconciler.model.router_config import Connection, RouterConfig, connection_name

ByCommit = Callable[[Resource], bool]


def held_back(fabric: Fabric, plan: Plan, by_commit: ByCommit) -> dict[Resource, str]:
    """The resources of a plan that the run leaves as they are, each with the reason.

    `by_commit` says which resources the repository has changed since they were last as desired; the others
    have drifted. A tunnel with two managed ends is one: what holds one end back holds back the other.
    """
    held: dict[Resource, str] = {}
    for group in _groups(fabric, plan.changes, by_commit):
        changed = any(by_commit(change.resource) for change in group)
        reasons = [
            reason
            for change in group
            for level in _levels(fabric, change)
            if (reason := _reason(level, change, changed))
        ]
        if reasons:
            held.update((change.resource, reasons[0]) for change in group)
    return held


def _groups(
    fabric: Fabric, changes: Iterable[ResourceChange], by_commit: ByCommit
) -> Iterable[list[ResourceChange]]:
    """The changes of both ends of a tunnel together; every other change alone, so also what a router calls
    like a tunnel that Git has, and never had there."""
    found: dict[object, list[ResourceChange]] = {}
    for change in changes:
        known = fabric.tunnels.get(change.resource.name)
        elsewhere = known is not None and known.router != change.resource.router
        elsewhere = elsewhere and not by_commit(change.resource)
        found.setdefault(change.resource if elsewhere else change.group or change.resource, []).append(change)
    return found.values()


def _levels(fabric: Fabric, change: ResourceChange) -> Iterable[Level]:
    """The levels that count: of a tunnel those of both of its ends, of all else that of the router."""
    tunnel = fabric.tunnels.get(change.resource.name) if change.resource.is_tunnel else None
    if tunnel is None:
        return [fabric.routers[change.resource.router].level]
    return [end.level for end in fabric.ends_of(tunnel.name)]


def _reason(level: Level, change: ResourceChange, changed: bool) -> str:
    if level.mode is Mode.SUSPEND:
        return "suspended"
    if level.mode is Mode.OBSERVE:
        return "observed only"
    if change.action is Action.DELETE and change.resource.is_tunnel and not level.prune:
        return "not pruned"
    if not changed and not level.self_heal:
        return "drifted, and self-heal is off"
    return ""


def changed_by_commit(before: Mapping[str, RouterConfig], after: Mapping[str, RouterConfig]) -> ByCommit:
    """Which resources two revisions want differently. `before` lacks routers of which nothing is known: all
    that is theirs counts as changed."""

    def changed(resource: Resource) -> bool:
        old, new = before.get(resource.router), after.get(resource.router)
        if old is None or new is None:
            return True
        if resource.is_tunnel:
            return _tunnel(old, resource.name) != _tunnel(new, resource.name)
        return _parts(old, resource.kind) != _parts(new, resource.kind)

    return changed


def _tunnel(config: RouterConfig, tunnel: str) -> Connection | None:
    return config.connections.get(connection_name(tunnel))


def _parts(config: RouterConfig, kind: ResourceKind) -> tuple[object, ...]:
    """What the desired state of a router says of a resource that is no tunnel end."""
    match kind:
        case ResourceKind.VIP:
            return (config.addresses,)
        case ResourceKind.FIREWALL:
            return (config.firewall,)
        case ResourceKind.SYSCTLS:
            return (config.sysctls,)
        case ResourceKind.BOOT:
            return config.addresses, config.firewall, config.sysctls
        case ResourceKind.TUNNEL | ResourceKind.KEY | ResourceKind.VIP_RECORD:
            return ()
        case _:
            assert_never(kind)
