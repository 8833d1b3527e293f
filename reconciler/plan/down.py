"""Tunnels that should be up and are not: what is left to do once everything is configured. Pure.

That a tunnel is down is no drift, because its peer may have its reasons. A tunnel of which both ends are
managed, and have just been seen, has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reconciler.diff.tunnel_steps import switch_step
from reconciler.facets import agreement
from reconciler.model.plan import Action, Disruption, Establish, FarEnd, Plan, Resource, ResourceChange, Scope
from reconciler.model.router_config import Connection, RouterConfig, RouterState
from reconciler.model.settings import Change
from reconciler.plan.fleet import ChangeFilter


def down(
    desired: Mapping[str, RouterConfig],
    live: Mapping[str, RouterState],
    routers: Collection[str],
    selected: ChangeFilter,
) -> Plan:
    """What brings up every tunnel with an end at one of some `routers` whose ends are both managed and known,
    and lack a CHILD_SA."""
    return Plan(tuple(change for change in _changes(desired, live, routers) if selected(change)))


def _changes(
    desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState], routers: Collection[str]
) -> Iterator[ResourceChange]:
    pairs: dict[str, list[tuple[str, Connection]]] = {}
    for router, config in sorted(desired.items()):
        for connection in config.connections.values():
            known = router in live and connection.name in live[router].connections
            if connection.paired and known and connection.tunnel not in config.keyless:
                pairs.setdefault(config.groups[connection.tunnel], []).append((router, connection))
    for group, ends in pairs.items():
        if len(ends) != 2 or not any(router in routers for router, _ in ends):
            continue
        lacking = {child for router, end in ends for child in _lacking(live[router], end)}
        if lacking:
            (router, first), (other, far) = sorted(ends, key=lambda end: not end[1].begins)
            operation = Establish(first.name, first.children, Scope.FIRST, far=FarEnd(other, far.name))
            yield ResourceChange(
                Resource(router, "tunnel", first.tunnel),
                Action.UPDATE,
                "the tunnel is down",
                tuple(Change(f"sa.children.{child}", None, "up", "sa") for child in sorted(lacking)),
                (switch_step(router, group, operation, Disruption.NONE),),
            )


def _lacking(state: RouterState, end: Connection) -> tuple[str, ...]:
    return agreement.down(state.sas_of(end.name), end.children)
