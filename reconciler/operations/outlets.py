"""Where traffic goes that no tunnel carries or guards after a plan: out as it is, or masqueraded. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace

from reconciler.diagnosis.netfilter import Entry, Packet, translates_source
from reconciler.diff.lost import LostTraffic, Outlet
from reconciler.facets.connections import listed_ends
from reconciler.model.bounds import OUTLETS
from reconciler.model.plan import Plan, ResourceChange
from reconciler.model.router_config import RouterState, connection_name
from reconciler.model.swanctl import Change
from schemas.addresses import format_address, parse_cidr

_TCP = 6


def unguarded_at(plan: Plan) -> Set[str]:
    """The routers whose own NAT decides what becomes of traffic that a plan lets out."""
    return {change.resource.router for change in plan.changes if any(map(_open, change.changes))}


def with_outlets(
    plan: Plan, rulesets: Mapping[str, tuple[Entry, ...]], live: Mapping[str, RouterState]
) -> Plan:
    """The same plan, in which fields say what the NAT rules of the routers in `rulesets` do to such traffic,
    of up to OUTLETS pairs of networks for each tunnel end. What the rules alone do not decide stays open."""
    if not rulesets:
        return plan
    changes = tuple(
        _decided(change, rulesets[change.resource.router], live[change.resource.router])
        if change.resource.router in rulesets and change.resource.router in live
        else change
        for change in plan.changes
    )
    return replace(plan, changes=changes)


def _decided(change: ResourceChange, ruleset: tuple[Entry, ...], state: RouterState) -> ResourceChange:
    if not any(map(_open, change.changes)):
        return change
    outside = _outside(change, state)
    return replace(change, changes=tuple(_fields(change, ruleset, outside)))


def _fields(change: ResourceChange, ruleset: tuple[Entry, ...], outside: str | None) -> Iterator[Change]:
    left = OUTLETS
    for field in change.changes:
        if not isinstance(field, LostTraffic) or not _open(field) or left == 0:
            yield field
            continue
        left -= 1
        source, destination = (format_address(_inside(cidr)) for cidr in field.pair)
        found = translates_source(ruleset, Packet(source, destination, _TCP, interfaces=(None, outside)))
        outlet = {True: Outlet.MASQUERADED, False: Outlet.CLEAR, None: Outlet.UNGUARDED}[found]
        yield LostTraffic.of(field.pair, outlet)


def _open(field: Change) -> bool:
    """Whether it is about traffic that leaves its router, in a way that only NAT rules show."""
    return isinstance(field, LostTraffic) and field.outlet is Outlet.UNGUARDED


def _inside(cidr: str) -> int:
    """An address of a network that is not the network's own."""
    network = parse_cidr(cidr)
    return min(network.first + 1, network.last)


def _outside(change: ResourceChange, state: RouterState) -> str | None:
    """The interface of the public network by which the tunnel's packets left; None where it is not known."""
    loaded = state.connections.get(connection_name(change.resource.name), {})
    addresses = set(listed_ends(loaded)[0][0])
    found = {item.interface for item in state.addresses if item.host in addresses}
    return found.pop() if len(found) == 1 else None
