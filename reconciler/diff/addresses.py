"""The facet `addresses`: VIPs that are missing, and what the record says of them. Each is a resource of its
own, and so is the record where it is not understood."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.facets import addresses
from reconciler.model.plan import (
    Action,
    AddAddress,
    Disruption,
    Operation,
    Phase,
    RecordAddress,
    Resource,
    ResourceChange,
    Step,
    TidyRecord,
)
from reconciler.model.router_config import InterfaceAddress, RouterConfig, RouterState
from reconciler.model.settings import Change


def address_changes(desired: RouterConfig, live: RouterState) -> Iterator[ResourceChange]:
    """One resource for each VIP that is not on its interface, or that is recorded for another document; one
    for a record that is not understood as a whole."""
    there = addresses.by_place(live.addresses)
    recorded = addresses.by_place(live.record.owners)
    if not live.record.sound:
        yield _tidied(desired, live)
    for address in sorted(desired.addresses, key=lambda item: (item.interface, item.cidr)):
        owner, where = desired.addresses[address], addresses.place(address)
        if where not in there:
            yield _added(desired, address, owner)
        elif where in recorded and live.record.owners[recorded[where]] != owner:
            yield _recorded(desired, recorded[where], live.record.owners[recorded[where]], owner)


def _added(desired: RouterConfig, address: InterfaceAddress, owner: str) -> ResourceChange:
    return _change(
        desired,
        address,
        Action.CREATE,
        f"the address is not on {address.interface}",
        (
            Change("address", None, f"{address.cidr} dev {address.interface}", "kernel"),
            Phase.HOST,
            f"add {address.cidr} to {address.interface}",
            AddAddress(address, owner),
        ),
    )


def _recorded(desired: RouterConfig, address: InterfaceAddress, before: str, owner: str) -> ResourceChange:
    return _change(
        desired,
        address,
        Action.UPDATE,
        "another document asks for it",
        (
            Change("document", before, owner, "file"),
            Phase.HOST,
            f"record {address.cidr} for {owner}",
            RecordAddress(address, owner),
        ),
    )


def _change(
    desired: RouterConfig,
    address: InterfaceAddress,
    action: Action,
    reason: str,
    changed: tuple[Change, Phase, str, Operation],
) -> ResourceChange:
    change, phase, summary, operation = changed
    return ResourceChange(
        Resource(desired.router, "vip", addresses.place(address)[1]),
        action,
        reason,
        (change,),
        (Step(desired.router, phase, "", summary, Disruption.NONE, operation),),
    )


def _tidied(desired: RouterConfig, live: RouterState) -> ResourceChange:
    summary = f"write {addresses.RECORD} without the lines that are not understood"
    step = Step(
        desired.router, Phase.HOST, "", summary, Disruption.NONE, TidyRecord(dict(live.record.owners))
    )
    return ResourceChange(
        Resource.vip_record(desired.router),
        Action.UPDATE,
        f"{addresses.RECORD} has lines that are not understood",
        (Change("record", "edited", "tunnelwright's", "file"),),
        (step,),
    )
