"""CHILD_SAs that one end of a managed pair holds and the other one does not. Pure.

Two negotiations that cross may leave one: an end that gets an INITIAL_CONTACT drops what it had without a
word to its peer (RFC 7296, section 2.4). Its peer sends into nothing by it until DPD or a rekey finds out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from reconciler.diff.tunnel_steps import switch_step
from reconciler.facets.sas.agreement import installed
from reconciler.model.bounds import ONE_SIDED_SECONDS
from reconciler.model.operation import CloseSurplus
from reconciler.model.plan import Action, Disruption, Resource, ResourceChange, ResourceKind
from reconciler.model.router_config import ChildSa, Connection, IkeSa, RouterConfig, RouterState
from reconciler.model.swanctl import Change
from reconciler.plan.pairs import ends_by_group


def one_sided_changes(
    desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState], differing: Set[Resource]
) -> Iterator[ResourceChange]:
    """One change for each tunnel end with such a CHILD_SA, of those that do not differ in anything else: what
    is switched comes to rest at both ends anyway. One that is younger than ONE_SIDED_SECONDS is left out: the
    two routers were not read at one moment."""
    held = {
        router: {child.spis_at_peer for sa in state.sas for child in sa.children}
        for router, state in live.items()
    }
    running = {router: _by_connection(state) for router, state in live.items()}
    for router, connection, other in _ends(desired):
        resource = Resource(router, ResourceKind.TUNNEL, connection.tunnel)
        if resource in differing or not {router, other} <= live.keys():
            continue
        mine = running[router].get(connection.name, ())
        alone = [
            child
            for child in installed(mine)
            if child.age >= ONE_SIDED_SECONDS and child.spis not in held[other]
        ]
        if alone:
            yield _change(resource, connection, desired[router].groups[connection.tunnel], other, alone)


def _change(
    resource: Resource, connection: Connection, group: str, other: str, alone: list[ChildSa]
) -> ResourceChange:
    changes = tuple(
        Change(f"sa.children.{child.name}.{child.spi_in}", f"not held by {other}", None, "sa")
        for child in alone
    )
    operation = CloseSurplus(connection.name)
    step = switch_step(resource.router, group, operation, Disruption.NONE)
    return ResourceChange(
        resource,
        Action.UPDATE,
        f"{other}, its other end, does not hold all of its CHILD_SAs",
        changes,
        (step,),
    )


def _ends(desired: Mapping[str, RouterConfig]) -> Iterator[tuple[str, Connection, str]]:
    """Each end of each managed pair, with the router of its other end."""
    for ends in ends_by_group(desired).values():
        if len(ends) == 2:
            (here, mine), (there, theirs) = ends
            yield here.router, mine, there.router
            yield there.router, theirs, here.router


def _by_connection(state: RouterState) -> Mapping[str, list[IkeSa]]:
    """The IKE_SAs that are up and at which nothing is negotiated."""
    found: dict[str, list[IkeSa]] = {}
    for sa in state.sas:
        if sa.state == "ESTABLISHED" and not sa.busy:
            found.setdefault(sa.connection, []).append(sa)
    return found
