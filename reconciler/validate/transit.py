"""Stars whose members reach one another through the hub: what each tunnel carries for the others. Pure.

Tunnels are policy-based, so that the hub's end of the tunnel to a member has the networks of all other
members as transit networks; the member's end has them as its peer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.model.bounds import MOST_PAIRS_OF_ROUTER
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.listing import counted
from reconciler.validate.catalog import Catalog, Item
from schemas.base import MOST_SELECTORS
from schemas.connection import ConnectionEndSpec
from schemas.topology import IPsecTopologySpec

_Networks = dict[str, tuple[str, ...]]
"""Connection -> the networks of its member."""


def add_transit(
    catalog: Catalog,
    topology: Item[IPsecTopologySpec],
    hubs: Sequence[str],
    connections: Sequence[str],
    found: Diagnostics,
) -> None:
    """Add the transit networks to the hub's end of each of a star's connections in the catalog, but for those
    that say themselves which they have. One that says that it has none takes no part.

    Several hubs, and more networks than tunnels can carry, are reported; then nothing is added.
    """
    if len(hubs) > 1:
        message = f"traffic between members could go through any of the hubs {', '.join(hubs)}"
        hint = "name one hub, or write a star without transit for each of the others"
        topology.error(
            found, "ambiguous-tunnels", message, "star", "transit", allowed="a star with one hub", hint=hint
        )
        return
    (hub,) = hubs or ("",)
    carried: _Networks = {
        name: own
        for name in sorted(connections)
        for end, member in [_ends(catalog, name, hub)]
        if end.transit != () and (own := _networks(catalog, member))
    }
    if not _fit(catalog, topology, hub, carried, found):
        return
    for name in connections:
        item = catalog.connections[name]
        if _ends(catalog, name, hub)[0].transit is not None:
            continue
        near = frozenset(carried.get(name, ()))
        others = (network for other in carried for network in carried[other] if other != name)
        transit = tuple(network for network in dict.fromkeys(others) if network not in near)
        ends = (
            end.model_copy(update={"transit": transit}) if end.router == hub else end
            for end in item.spec.ends
        )
        spec = item.spec.model_copy(update={"ends": tuple(ends)})
        catalog.connections[name] = replace(item, spec=spec)


def _ends(catalog: Catalog, connection: str, hub: str) -> tuple[ConnectionEndSpec, ConnectionEndSpec]:
    """The hub's end of a connection, then the member's."""
    one, other = catalog.connections[connection].spec.ends
    return (one, other) if one.router == hub else (other, one)


def _networks(catalog: Catalog, end: ConnectionEndSpec) -> tuple[str, ...]:
    """The networks of an end: those that it names, else those that its router is attached to."""
    attached = tuple(part.network for part in catalog.routers[end.router].spec.vpc_networks)
    return attached if end.networks is None else end.networks


def _fit(
    catalog: Catalog,
    topology: Item[IPsecTopologySpec],
    hub: str,
    carried: _Networks,
    found: Diagnostics,
) -> bool:
    """Whether the selectors are as few as a proposal and the hub have room for; else that is reported."""
    if not carried:
        return True
    of_hub = len(catalog.routers[hub].spec.vpc_networks)
    of_members = sum(map(len, carried.values()))
    most = of_hub + of_members - min(map(len, carried.values()))
    pairs = sum(len(own) * (of_hub + of_members - len(own)) for own in carried.values())
    problem = allowed = ""
    if most > MOST_SELECTORS:
        problem = f"the tunnel of a member would carry {counted(most, 'network')} at the hub's end"
        allowed = f"at most {MOST_SELECTORS} (RFC 7296, section 3.13)"
    elif pairs > MOST_PAIRS_OF_ROUTER:
        problem = (
            f"the tunnels of the hub would carry {counted(pairs, 'pair')} of a source and a peer network"
        )
        allowed = f"at most {MOST_PAIRS_OF_ROUTER:,}"
    if problem:
        hint = "name fewer and wider networks, or make two stars of it"
        topology.error(found, "too-many-pairs", problem, "star", "transit", allowed=allowed, hint=hint)
    return not problem
