"""Addresses that move between places of the fleet: each of them as a whole, or not at all. Pure.

An address is taken off one place (WITHDRAW) before another one gets it (HOST). So three things depend on one
another. A place keeps an address for as long as one of its tunnels, or the place that gets it, has no part in
the plan. A place does not get an address that another one keeps. A tunnel has no part in a plan that leaves
its address missing. What each costs the others is found by going around until nothing changes any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from reconciler.diff.withdrawals import connections_by, connections_of
from reconciler.model.absence import Absence
from reconciler.model.operation import AddAddress, RemoveAddress
from reconciler.model.plan import Duplicate, HeldAddress, Phase, ResourceChange
from reconciler.model.router_config import RouterConfig, RouterState, connection_name, local_addresses

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
    """Leave out of a plan what would part an address from its tunnels, or give it to two places, and tell
    additions which routers lose the address first."""
    moves = _Moves(left, desired, live)
    while moves.leave_out():
        pass
    return Moves(moves.in_order(), moves.withheld, tuple(moves.duplicates()))


class _Moves:
    """The changes that are left, and what is known of addresses."""

    def __init__(
        self, left: Left, desired: Mapping[str, RouterConfig], live: Mapping[str, RouterState]
    ) -> None:
        self.kept = {router: list(found) for router, found in left.kept.items()}
        self.withheld: dict[str, str] = {}
        self._desired = desired
        self._live = live
        self._dead = left.dead
        self._waiting = {router: set(groups) for router, groups in left.waiting.items()}
        self._held = held_addresses(desired, live)
        self._leaving: set[_Spot] = set()
        self._coming: set[_Spot] = set()

    def leave_out(self) -> bool:
        """One round: whether anything was left out."""
        self._look()
        found = [(change, reason) for change in self._moving() if (reason := self._why_not(change))]
        for change, _ in found:
            self.kept[change.resource.router].remove(change)
        self._look()
        stranded = dict(self._stranded())
        self.withheld |= {
            change.resource.name: stranded[change.group]
            for changes in self.kept.values()
            for change in changes
            if change.group in stranded
        }
        for router, changes in self.kept.items() if stranded else ():
            self._waiting[router] |= {change.group for change in changes} & stranded.keys()
            self.kept[router] = [change for change in changes if change.group not in stranded]
        return bool(found or stranded)

    def in_order(self) -> dict[str, list[ResourceChange]]:
        """What is left, in which each addition names the routers that lose its address first."""
        self._look()
        return {router: [self._after(change) for change in changes] for router, changes in self.kept.items()}

    def duplicates(self) -> Iterator[Duplicate]:
        """The addresses that two routers hold or would hold once the plan is carried out."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for router, config in self._desired.items():
            for address in config.addresses if router in self._live else ():
                network, host = config.networks.get(address.interface, ""), address.place[1]
                wanted.setdefault((network, host), set()).add(router)
        for (network, host), places in sorted(self._held.items()):
            staying = {where: held for where, held in places.items() if (*where, host) not in self._leaving}
            holders = {router for router, _ in staying}
            lacking = wanted.get((network, host), set()) - {router for router, _ in places}
            if len(holders) > 1 or (holders and lacking):
                found = tuple(held for _, held in sorted(staying.items()))
                yield Duplicate(host, network, found, tuple(sorted(lacking)))

    def _moving(self) -> Iterator[ResourceChange]:
        for changes in self.kept.values():
            for change in changes:
                if _adds(change) or _withdraws(change):
                    yield change

    def _look(self) -> None:
        """Note what is withdrawn and what is added, as far as it is left."""
        self._leaving, self._coming = set(), set()
        for change in self._moving():
            if removed := _withdraws(change):
                self._leaving.add((change.resource.router, *removed.address.place))
            elif added := _adds(change):
                self._coming.add((change.resource.router, *added.address.place))

    def _why_not(self, change: ResourceChange) -> str:
        """Why an address cannot be added, or withdrawn; empty when it can."""
        added, removed = _adds(change), _withdraws(change)
        if added is not None:
            router = change.resource.router
            waits = added.needed_by and self._waiting[router].issuperset(added.needed_by)
            return self._taken(router, added) or ("its tunnels wait" if waits else "")
        return self._needed(change.resource.router, removed) if removed is not None else ""

    def _taken(self, router: str, operation: AddAddress) -> str:
        """Which place keeps an address that is to be added elsewhere."""
        interface, host = operation.address.place
        network = self._desired[router].networks.get(interface, "")
        staying = [
            where
            for where in self._held.get((network, host), ())
            if where != (router, interface) and (*where, host) not in self._leaving
        ]
        return ", ".join(f"{host} is on {other} of {where}" for where, other in sorted(staying))

    def _needed(self, router: str, operation: RemoveAddress) -> str:
        """What keeps an address where it is: a place that does not get it now, or a tunnel that stays."""
        interface, host = operation.address.place
        network = self._desired[router].networks.get(interface, "")
        for other, there in sorted(self._desired[router].claims.places.get((network, host), ())):
            if other in self._dead:
                return f"{other}, to which {host} belongs, {self._dead[other].ails}"
            if other in self._live and not self._gets(other, there, network, host):
                return f"{host} is not added to {other}"
        leaving = {
            name
            for change in self.kept[router]
            if change.resource.is_tunnel
            for name in connections_of(self._desired[router], change)
        }
        staying = sorted(connections_by(self._live[router], frozenset({host})) - leaving)
        return f"{staying[0]} of {router} runs by {host}" if staying else ""

    def _gets(self, router: str, interface: str, network: str, host: str) -> bool:
        """Whether a place has an address or gets it, or whoever configures it there is not tunnelwright."""
        managed = any(address.place == (interface, host) for address in self._desired[router].addresses)
        return (
            not managed
            or (router, interface) in self._held.get((network, host), {})
            or (router, interface, host) in self._coming
        )

    def _stranded(self) -> Iterator[tuple[str, str]]:
        """Groups with a tunnel whose local address would be missing, and why."""
        for router, changes in self.kept.items():
            config = self._desired[router]
            lacking = self._lacking(router)
            for change in changes if lacking else ():
                connection = config.connections.get(connection_name(change.resource.name))
                if not change.resource.is_tunnel or connection is None:
                    continue
                for host in sorted(lacking.keys() & local_addresses(connection.settings)):
                    yield change.group, lacking[host]

    def _lacking(self, router: str) -> dict[str, str]:
        """The VIPs that a router has not and does not get, and why."""
        config = self._desired[router]
        there = {address.place for address in self._live[router].addresses}
        return {
            host: self._taken(router, AddAddress(address, owner)) or f"its VIP {host} is left out"
            for address, owner in config.addresses.items()
            if address.place not in there and (router, *address.place) not in self._coming
            for host in [address.place[1]]
        }

    def _after(self, change: ResourceChange) -> ResourceChange:
        operation = _adds(change)
        if operation is None:
            return change
        router = change.resource.router
        interface, host = operation.address.place
        network = self._desired[router].networks.get(interface, "")
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
