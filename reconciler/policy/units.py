"""What changes together or not at all: a tunnel with both of its ends, and what takes over from it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from reconciler.diff.live import Live
from reconciler.facets.connections import guarded_pairs, listed_ends
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Action, Disruption, Phase, Plan, Resource, ResourceChange
from reconciler.model.router_config import Pair, connection_name
from reconciler.validate.overlaps import overlapping
from schemas.addresses import Interval, parse_cidr

Known: TypeAlias = Callable[[Resource], bool]
"""Whether something shows that Git had a tunnel end that it has no more."""
_Carried: TypeAlias = list[tuple[Interval, int]]
"""Networks with the ends that carry them."""
_BySource: TypeAlias = dict[Interval, _Carried]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a tunnel end carries: (local, peer) CIDRs, between (local, peer) addresses."""

    pairs: frozenset[Pair] = frozenset()
    ends: frozenset[Pair] = frozenset()


@dataclass(frozen=True, slots=True)
class End:
    """A tunnel end that changes, with what it carries on the router now and what it shall carry."""

    change: ResourceChange
    before: Traffic
    after: Traffic
    strange: bool = False
    """Whether it is to be destroyed, and nothing shows that Git ever had it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Tunnel ends that change together."""

    ends: tuple[End, ...]

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Its ends, in order."""
        return tuple(end.change.resource for end in self.ends)

    @property
    def interrupts(self) -> bool:
        """True when a change at any end costs traffic that flows."""
        return bool(self.interrupted_at)

    @property
    def interrupted_at(self) -> frozenset[str]:
        """The routers at whose end a change costs traffic that flows."""
        return frozenset(
            end.change.resource.router
            for end in self.ends
            if end.change.disruption.rank >= Disruption.INTERRUPTS.rank
        )

    @property
    def goes_down(self) -> bool:
        """True when a change at any end costs all traffic of the tunnel, be it for a moment: not only that of
        the networks that are taken out of it."""
        return any(
            step.disruption.rank >= Disruption.INTERRUPTS.rank
            for end in self.ends
            for step in end.change.steps
            if step.phase is not Phase.CONNECTIONS
        )

    @property
    def strange(self) -> bool:
        """True when an end is one that nothing shows to be Git's."""
        return any(end.strange for end in self.ends)


def units_of(plan: Plan, fabric: Fabric, live: Mapping[str, Live], known: Known) -> tuple[Unit, ...]:
    """The tunnels of a plan, in order of their first end.

    Two ends are one unit when they are planned as one group; when they join the same two addresses, now or
    then, as the ends of a tunnel do that Git has no more; or when one is to carry what another one of that
    router carries still. Whatever stood between such two would leave a tunnel with one end, or two
    tunnels with one traffic. An end that is not `known` to have been Git's joins nothing at another router,
    whatever it is called and whichever addresses it names.
    """
    ends = [
        End(
            change,
            traffic_on(live[change.resource.router], connections_of(fabric, change.resource.name)),
            _wanted(fabric, change.resource),
            strange=change.action is Action.DELETE and not known(change.resource),
        )
        for change in plan.changes
        if change.resource.is_tunnel
    ]
    parents = list(range(len(ends)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    firsts: dict[Hashable, int] = {}
    for index, end in enumerate(ends):
        for key in () if end.strange else _keys(end):
            parents[root(index)] = root(firsts.setdefault(key, index))
    for one, other in _successions(ends):
        parents[root(one)] = root(other)
    members: dict[int, list[End]] = {}
    for index, end in enumerate(ends):
        members.setdefault(root(index), []).append(end)
    found = (Unit(tuple(sorted(part, key=lambda end: str(end.change.resource)))) for part in members.values())
    return tuple(sorted(found, key=lambda unit: str(unit.resources[0])))


def _keys(end: End) -> Iterator[Hashable]:
    for step in end.change.steps:
        yield "group", step.group
    # Where Git has the end, Git says between which addresses it is. What a router lists joins it to others
    # only where Git has neither: else a router could name the addresses of any tunnel.
    if end.after.ends:
        yield from (frozenset(pair) for pair in end.after.ends)
    else:
        yield from (("gone", frozenset(pair)) for pair in end.before.ends)


def connections_of(fabric: Fabric, name: str) -> tuple[str, ...]:
    """The connections by which a tunnel may run: its own, those of previous names, and one that it adopts."""
    known = fabric.tunnels.get(name)
    return (connection_name(name),) if known is None else known.connections


def _wanted(fabric: Fabric, resource: Resource) -> Traffic:
    tunnel = fabric.tunnels.get(resource.name)
    if tunnel is None or not tunnel.enabled or tunnel.router != resource.router:
        return Traffic()
    return Traffic(frozenset(guarded_pairs(tunnel)), frozenset({(tunnel.vip.address, tunnel.peer_address)}))


def traffic_on(live: Live, connections: tuple[str, ...]) -> Traffic:
    """What connections of a router carry as they are loaded, and by their running SAs."""
    pairs: set[Pair] = set()
    ends: set[Pair] = set()
    for name in connections:
        addresses, networks = listed_ends(live.state.connections.get(name, {}))
        ends |= set(product(*addresses))
        for selectors in networks:
            pairs |= set(product(*selectors))
        for sa in live.sas.get(name, ()):
            if not sa.ending:
                ends.add((sa.local_address, sa.remote_address))
                for running in sa.children:
                    pairs |= set(product(running.local_ts, running.remote_ts))
    return Traffic(frozenset(pairs), frozenset(ends))


def _successions(ends: list[End]) -> Iterator[tuple[int, int]]:
    """Pairs of ends, by index, of which one is to carry what the other one on its router carries now."""
    now: dict[str, _BySource] = {}
    then: dict[str, _BySource] = {}
    for index, end in enumerate(ends):
        for carried, pairs in ((now, end.before.pairs), (then, end.after.pairs)):
            by_source = carried.setdefault(end.change.resource.router, {})
            for source, remote in pairs:
                by_source.setdefault(parse_cidr(source), []).append((parse_cidr(remote), index))
    for router, by_source in now.items():
        # Sources are few, and what is carried from one of them to one network is carried once.
        for network, carried_now in by_source.items():
            for other, carried_then in then[router].items():
                if network.overlaps(other):
                    yield from _succeeding(carried_now, carried_then)


def _succeeding(now: _Carried, then: _Carried) -> Iterator[tuple[int, int]]:
    for first, second in overlapping([remote for remote, _ in (*now, *then)]):
        if first < len(now) <= second and (one := now[first][1]) != (other := then[second - len(now)][1]):
            yield one, other
