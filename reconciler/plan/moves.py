"""Addresses that move between places of the fleet: each of them as a whole, or not at all. Pure.

An address is taken off one place (WITHDRAW) before another one gets it (HOST). So three things depend on one
another. A place keeps an address for as long as one of its tunnels, or the place that gets it, has no part in
the plan. A place does not get an address that another one keeps. A tunnel has no part in a plan that leaves
its address missing. What each costs the others is found by going around until nothing changes any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import TypeAlias

from reconciler.diff.withdrawals import connections_by_host, connections_of
from reconciler.model.absence import Absence
from reconciler.model.operation import AddAddress, RemoveAddress
from reconciler.model.plan import Duplicate, HeldAddress, Phase, ResourceChange
from reconciler.model.router_config import (
    InterfaceAddress,
    RouterConfig,
    RouterState,
    connection_name,
    local_addresses,
)

Place: TypeAlias = tuple[str, str]
"""A router and one of its interfaces."""
_Spot: TypeAlias = tuple[str, str, str]
"""A router, one of its interfaces, and an address there."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a plan so far."""

    kept: Mapping[str, list[ResourceChange]]
    """The changes of each router."""
    waiting: Mapping[str, Collection[str]]
    """The groups of tunnels that differ there, and whose changes are withheld."""
    dead: Mapping[str, Absence]
    """The routers that have no part in it."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What is left of the changes of each router, the tunnels that this costs, and the addresses at fault."""

    kept: Mapping[str, list[ResourceChange]]
    withheld: Mapping[str, str]
    duplicates: tuple[Duplicate, ...]


def arrange(left: Left, desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState]) -> Moves:
    """Leave out of a plan what would part an address from its tunnels, or give it to two places, and add
    to additions which routers lose the address first."""
    moves = _Moves(left, desired, live)
    hosts = moves.hosts
    while hosts:
        hosts = moves.leave_out(hosts)
    return Moves(moves.in_order(), moves.withheld, tuple(moves.duplicates()))


class _Router:
    """What is left of the changes of one router, by the addresses that they are about; its configuration and
    state are looked through once."""

    def __init__(
        self,
        changes: Iterable[ResourceChange],
        waiting: Iterable[str],
        desired: RouterConfig,
        live: RouterState,
    ) -> None:
        self.desired = desired
        self.kept = dict(enumerate(changes))
        """The changes that are left, by their number."""
        self.waiting = set(waiting)
        self.places = {address.place for address in live.addresses}
        self.vips: dict[str, list[tuple[InterfaceAddress, str]]] = {}
        """Address -> the desired VIPs that have it, with their documents."""
        self.moving: dict[str, list[int]] = {}
        """Address -> the changes that add it here or take it away for another place."""
        self.tunnels: dict[str, list[int]] = {}
        """Address -> the changes of tunnels that shall run by it."""
        self.using = connections_by_host(live)
        self.leaving: Counter[str] = Counter()
        """Connections that changes of tunnels replace or remove."""
        for address, owner in desired.addresses.items():
            self.vips.setdefault(address.host, []).append((address, owner))
        for number, change in self.kept.items():
            operation = _adds(change) or _withdraws(change)
            if operation is not None:
                self.moving.setdefault(operation.address.host, []).append(number)
            if change.resource.is_tunnel:
                self.leaving.update(connections_of(desired, change))
                for host in self._addresses(change):
                    self.tunnels.setdefault(host, []).append(number)
        self._hosts: dict[str, set[str]] = {}
        for host, names in self.using.items():
            for name in names:
                self._hosts.setdefault(name, set()).add(host)

    def _addresses(self, change: ResourceChange) -> frozenset[str]:
        connection = self.desired.connections.get(connection_name(change.resource.name))
        return frozenset() if connection is None else local_addresses(connection.settings)

    def network_of(self, interface: str) -> str:
        """The public network of an interface; empty where it is in none."""
        return self.desired.networks.get(interface, "")

    def drop(self, number: int) -> Set[str]:
        """Leave out a change of a tunnel's group; the addresses that the tunnel uses or shall use."""
        change = self.kept.pop(number)
        names = connections_of(self.desired, change) if change.resource.is_tunnel else frozenset()
        self.leaving.subtract(names)
        self.waiting.add(change.group)
        return {host for name in names for host in self._hosts.get(name, ())} | self._addresses(change)

    def staying(self, host: str) -> list[str]:
        """The connections by an address that no change replaces or removes."""
        return sorted(name for name in self.using.get(host, ()) if self.leaving[name] <= 0)


class _Moves:
    """The changes that are left, and what is known of addresses. All that depends on one another has an
    address in common, so what is left out makes nothing to look at again but what has its addresses."""

    def __init__(
        self, left: Left, desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState]
    ) -> None:
        self._routers = {
            name: _Router(changes, left.waiting[name], desired[name], live[name])
            for name, changes in left.kept.items()
        }
        self._order = {name: number for number, name in enumerate(self._routers)}
        self.withheld: dict[str, str] = {}
        self._dead = left.dead
        self._held = held_addresses(desired, live)
        self._leaving: set[_Spot] = set()
        self._coming: set[_Spot] = set()
        self._at: dict[str, set[str]] = {}
        """Address -> the routers that have something to do with it."""
        self._groups: dict[str, list[tuple[str, int]]] = {}
        for name, router in self._routers.items():
            for host in (*router.vips, *router.moving):
                self._at.setdefault(host, set()).add(name)
            for number, change in router.kept.items():
                self._groups.setdefault(change.group, []).append((name, number))
                if removed := _withdraws(change):
                    self._leaving.add((name, *removed.address.place))
                elif added := _adds(change):
                    self._coming.add((name, *added.address.place))

    @property
    def hosts(self) -> Set[str]:
        """Every address that a router has something to do with."""
        return self._at.keys()

    def leave_out(self, hosts: Set[str]) -> Set[str]:
        """One round over some addresses: what stands in the way of them is left out; the addresses that this
        concerns, none at the end."""
        found = [
            (name, number)
            for host in hosts
            for name in self._at.get(host, ())
            for number in self._routers[name].moving.get(host, ())
            if number in self._routers[name].kept and self._blocked(name, self._routers[name].kept[number])
        ]
        concerned: set[str] = set()
        for name, number in found:
            change = self._routers[name].kept.pop(number)
            operation = _adds(change) or _withdraws(change)
            if operation is not None:
                spot = (name, *operation.address.place)
                self._leaving.discard(spot)
                self._coming.discard(spot)
                concerned.add(operation.address.host)
        stranded = self._stranded(hosts | concerned)
        parts = [part for group in stranded for part in self._groups[group]]
        for name, number in sorted(parts, key=lambda part: (self._order[part[0]], part[1])):
            router = self._routers[name]
            if number in router.kept:
                change = router.kept[number]
                self.withheld[change.resource.name] = stranded[change.group]
                concerned |= router.drop(number)
        return concerned

    def in_order(self) -> dict[str, list[ResourceChange]]:
        """What is left, in which each addition names the routers that lose its address first."""
        return {
            name: [self._after(change) for _, change in sorted(router.kept.items())]
            for name, router in self._routers.items()
        }

    def duplicates(self) -> Iterator[Duplicate]:
        """The addresses that two routers hold or would hold once the plan is carried out."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for name, router in self._routers.items():
            for address in router.desired.addresses:
                place = router.network_of(address.interface), address.host
                wanted.setdefault(place, set()).add(name)
        for (network, host), places in sorted(self._held.items()):
            staying = {where: held for where, held in places.items() if (*where, host) not in self._leaving}
            holders = {router for router, _ in staying}
            lacking = wanted.get((network, host), set()) - {router for router, _ in places}
            if len(holders) > 1 or (holders and lacking):
                found = tuple(held for _, held in sorted(staying.items()))
                yield Duplicate(host, network, found, tuple(sorted(lacking)))

    def _blocked(self, name: str, change: ResourceChange) -> bool:
        """Whether an address cannot be added, or withdrawn."""
        router, added, removed = self._routers[name], _adds(change), _withdraws(change)
        if added is not None:
            waits = bool(added.needed_by) and router.waiting.issuperset(added.needed_by)
            return waits or bool(self._taken(name, added.address))
        return removed is not None and self._needed(name, removed.address)

    def _taken(self, name: str, address: InterfaceAddress) -> str:
        """Which place keeps an address that is to be added elsewhere."""
        interface, host = address.place
        staying = [
            where
            for where in self._held.get((self._routers[name].network_of(interface), host), ())
            if where != (name, interface) and (*where, host) not in self._leaving
        ]
        return ", ".join(f"{host} is on {other} of {where}" for where, other in sorted(staying))

    def _needed(self, name: str, address: InterfaceAddress) -> bool:
        """Whether an address stays where it is: because a place does not get it now, or a tunnel stays."""
        router, (interface, host) = self._routers[name], address.place
        network = router.network_of(interface)
        claims = router.desired.claims.places.get((network, host), ())
        return bool(router.staying(host)) or any(
            other in self._dead or (other in self._routers and not self._gets(other, there, network, host))
            for other, there in claims
        )

    def _gets(self, name: str, interface: str, network: str, host: str) -> bool:
        """Whether a place has an address or gets it, or tunnelwright does not configure it there."""
        vips = self._routers[name].vips.get(host, ())
        return (
            not any(address.place == (interface, host) for address, _ in vips)
            or (name, interface) in self._held.get((network, host), {})
            or (name, interface, host) in self._coming
        )

    def _stranded(self, hosts: Set[str]) -> dict[str, str]:
        """Groups with a tunnel whose local address, one of these, would be missing, and why."""
        found = [
            ((self._order[name], number, host), self._routers[name].kept[number].group, reason)
            for host in hosts
            for name in self._at.get(host, ())
            if (reason := self._lacking(name, host))
            for number in self._routers[name].tunnels.get(host, ())
            if number in self._routers[name].kept
        ]
        return {group: reason for _, group, reason in sorted(found)}

    def _lacking(self, name: str, host: str) -> str:
        """Why a router has not and does not get a VIP; empty where it has it, gets it, or has none."""
        router = self._routers[name]
        reasons = [
            self._taken(name, address) or f"its VIP {host} is left out"
            for address, _ in router.vips.get(host, ())
            if address.place not in router.places and (name, *address.place) not in self._coming
        ]
        return reasons[-1] if reasons else ""

    def _after(self, change: ResourceChange) -> ResourceChange:
        operation = _adds(change)
        if operation is None:
            return change
        interface, host = operation.address.place
        network = self._routers[change.resource.router].network_of(interface)
        before = sorted(
            where
            for where, other in self._held.get((network, host), ())
            if (where, other, host) in self._leaving
        )
        if not before:
            return change
        (step,) = change.steps
        summary = f"{step.summary}, once it is gone from {' and '.join(before)}, and announce it"
        after = replace(step, summary=summary, operation=replace(operation, after=tuple(before)))
        return replace(change, steps=(after,))


def held_addresses(
    desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState]
) -> dict[tuple[str, str], dict[Place, HeldAddress]]:
    """(public network, address) -> the places that have it."""
    found: dict[tuple[str, str], dict[Place, HeldAddress]] = {}
    for router, state in live.items():
        for address in state.addresses:
            network = desired[router].networks.get(address.interface)
            if network is not None:
                held = HeldAddress(router, address, state.record.owners.get(address, ""))
                found.setdefault((network, held.host), {})[router, address.interface] = held
    return found


def _adds(change: ResourceChange) -> AddAddress | None:
    operations = (step.operation for step in change.steps)
    return next((item for item in operations if isinstance(item, AddAddress)), None)


def _withdraws(change: ResourceChange) -> RemoveAddress | None:
    steps = (step for step in change.steps if step.phase is Phase.WITHDRAW)
    return next((step.operation for step in steps if isinstance(step.operation, RemoveAddress)), None)
