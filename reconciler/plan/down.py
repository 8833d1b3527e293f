"""Tunnels that should be up and are not: what is left to do once everything is configured. Pure.

That a tunnel is down is no drift, because its peer may have its reasons. A tunnel of which both ends are
managed, and have just been seen, has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reconciler.diff.tunnel_steps import switch_step
from reconciler.facets.sas import agreement
from reconciler.model.operation import Establish, Scope
from reconciler.model.plan import Action, Disruption, Plan, Resource, ResourceChange, ResourceKind
from reconciler.model.router_config import Connection, RouterConfig, RouterState
from reconciler.model.swanctl import Change
from reconciler.plan.fleet import ChangeFilter
from reconciler.plan.pairs import ends_by_group


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
    for group, ends in ends_by_group(desired).items():
        known = all(_known(end.router, connection, desired, live) for end, connection in ends)
        if len(ends) != 2 or not known or not any(end.router in routers for end, _ in ends):
            continue
        lacking = {child for end, connection in ends for child in _lacking(live[end.router], connection)}
        if lacking:
            (here, first), (there, _) = sorted(ends, key=lambda end: not end[1].initiates)
            operation = Establish(first.name, first.children, Scope.FIRST, other_end=there)
            yield ResourceChange(
                Resource(here.router, ResourceKind.TUNNEL, first.tunnel),
                Action.UPDATE,
                "the tunnel is down",
                tuple(Change(f"sa.children.{child}", None, "up", "sa") for child in sorted(lacking)),
                (switch_step(here.router, group, operation, Disruption.NONE),),
            )


def _known(
    router: str, end: Connection, desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState]
) -> bool:
    """Whether an end of a managed pair is loaded, by its own key."""
    loaded = router in live and end.name in live[router].connections
    return end.paired and loaded and end.tunnel not in desired[router].keyless


def _lacking(state: RouterState, end: Connection) -> tuple[str, ...]:
    return agreement.down(state.sas_of(end.name), end.children)
