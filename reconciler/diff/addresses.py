"""The facet `addresses`: VIPs that are missing, VIPs that tunnelwright added and that no document asks for
there any more, and the record of them. Each VIP is a resource of its own, and so is a record that is not
understood."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.diff.router_step import router_step
from reconciler.facets import addresses
from reconciler.model.operation import AddAddress, RecordAddress, RemoveAddress, TidyRecord
from reconciler.model.plan import (
    Action,
    Disruption,
    HeldAddress,
    Phase,
    Resource,
    ResourceChange,
    ResourceKind,
    Step,
)
from reconciler.model.router_config import InterfaceAddress, RouterConfig, RouterState, local_addresses
from reconciler.model.swanctl import Change


def address_changes(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    """One resource for each VIP that is not on its interface, or that is recorded for another document; one
    for a record that is not understood as a whole."""
    there = addresses.by_place(live.addresses)
    recorded = addresses.by_place(live.record.owners)
    users: dict[str, set[str]] = {}
    if not live.record.sound:
        yield _tidied(desired, live)
    for address in sorted(desired.addresses, key=lambda item: (item.interface, item.cidr)):
        owner, where = desired.addresses[address], address.place
        if where not in there:
            users = users or _users(desired)
            yield _added(desired, address, owner, users.get(where[1], ()))
        elif where in recorded and live.record.owners[recorded[where]] != owner:
            yield _recorded(desired, recorded[where], live.record.owners[recorded[where]], owner)


def address_removals(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    """One resource for each VIP that goes, or whose line in the record does. One that another place gets goes
    before it is added there, else it goes when the router's tunnels have left it."""
    wanted = addresses.by_place(desired.addresses)
    for address, owner in _recorded_in_order(live):
        place = address.place
        if place in wanted:
            continue
        claimed = addresses.claimed(desired, address)
        if address not in live.addresses:
            reason = "the address is no longer on the router, and no document asks for it there"
            yield _forgotten(desired, address, owner, reason)
        elif (desired.router, address.interface) in claimed:
            yield _forgotten(
                desired, address, owner, "Git declares it as provided by others (`managed: false`)"
            )
        elif claimed:
            yield _withdrawn(desired, address, claimed)
        elif not addresses.left_over(desired, owner):
            yield _removed(desired, address, owner, f"{owner} no longer asks for it here")
        elif place[1] in desired.asked.release:
            yield _removed(desired, address, owner, f"it was left by {owner}, and is released")


def unused_addresses(desired: RouterConfig, live: RouterState) -> Iterator[HeldAddress]:
    """The VIPs that stay although nothing asks for them: those of tunnels that were deleted."""
    wanted = addresses.by_place(desired.addresses)
    for address, owner in _recorded_in_order(live):
        asked_for = address.place in wanted or addresses.claimed(desired, address)
        if address in live.addresses and not asked_for and addresses.left_over(desired, owner):
            yield HeldAddress(desired.router, address, owner)


def _recorded_in_order(live: RouterState) -> list[tuple[InterfaceAddress, str]]:
    return sorted(live.record.owners.items(), key=lambda item: (item[0].interface, item[0].cidr))


def _users(desired: RouterConfig) -> dict[str, set[str]]:
    """The groups of the tunnels that need each local address."""
    found: dict[str, set[str]] = {}
    for connection in desired.connections.values():
        for host in local_addresses(connection.settings):
            found.setdefault(host, set()).add(desired.groups[connection.tunnel])
    return found


def _added(
    desired: RouterConfig, address: InterfaceAddress, owner: str, users: Collection[str]
) -> ResourceChange:
    return _change(
        address,
        Action.CREATE,
        f"the address is not on {address.interface}",
        Change("address", None, f"{address.cidr} dev {address.interface}", "kernel"),
        Step(
            desired.router,
            Phase.HOST,
            "",
            f"add {address.cidr} to {address.interface}",
            Disruption.NONE,
            AddAddress(address, owner, needed_by=tuple(sorted(users))),
        ),
    )


def _recorded(desired: RouterConfig, address: InterfaceAddress, before: str, owner: str) -> ResourceChange:
    summary = f"record {address.cidr} for {owner}"
    return _change(
        address,
        Action.UPDATE,
        "another document asks for it",
        Change("document", before, owner, "file"),
        router_step(desired, Phase.HOST, summary, RecordAddress(address, owner)),
    )


def _forgotten(desired: RouterConfig, address: InterfaceAddress, owner: str, reason: str) -> ResourceChange:
    summary = f"take {address.cidr} out of {addresses.RECORD}"
    return _change(
        address,
        Action.UPDATE,
        reason,
        Change("document", owner, None, "file"),
        router_step(desired, Phase.HOST, summary, RecordAddress(address, "")),
    )


def _withdrawn(
    desired: RouterConfig, address: InterfaceAddress, claimed: frozenset[tuple[str, str]]
) -> ResourceChange:
    places = ", ".join(f"{interface} of {router}" for router, interface in sorted(claimed))
    return _removal(desired, address, f"it belongs to {places}", Phase.WITHDRAW, Disruption.INTERRUPTS)


def _removed(desired: RouterConfig, address: InterfaceAddress, owner: str, reason: str) -> ResourceChange:
    """Tunnels have left it by then. What else uses it is interrupted, unless it was created for a tunnel."""
    shared = addresses.has_document_of_its_own(owner) or address.host in desired.asked.release
    disruption = Disruption.INTERRUPTS if shared else Disruption.NONE
    return _removal(desired, address, reason, Phase.UNGUARD, disruption)


def _removal(
    desired: RouterConfig, address: InterfaceAddress, reason: str, phase: Phase, disruption: Disruption
) -> ResourceChange:
    summary = f"remove {address.cidr} from {address.interface}"
    return _change(
        address,
        Action.DELETE,
        reason,
        Change("address", f"{address.cidr} dev {address.interface}", None, "kernel"),
        Step(desired.router, phase, "", summary, disruption, RemoveAddress(address)),
    )


def _change(
    address: InterfaceAddress, action: Action, reason: str, change: Change, step: Step
) -> ResourceChange:
    resource = Resource(step.router, ResourceKind.VIP, address.host)
    return ResourceChange(resource, action, reason, (change,), (step,))


def _tidied(desired: RouterConfig, live: RouterState) -> ResourceChange:
    summary = f"write {addresses.RECORD} without the lines that are not understood"
    return ResourceChange(
        Resource.vip_record(desired.router),
        Action.UPDATE,
        f"{addresses.RECORD} has lines that are not understood",
        (Change("record", "edited", "tunnelwright's", "file"),),
        (router_step(desired, Phase.WITHDRAW, summary, TidyRecord(dict(live.record.owners))),),
    )
