"""The steps that change a router's VIPs and its record of them."""

from __future__ import annotations

from typing import TypeAlias

from reconciler.facets.addresses import record_text
from reconciler.model.operation import AddAddress, RecordAddress, RemoveAddress, TidyRecord
from reconciler.routers.protocol import Host

AddressOperation: TypeAlias = AddAddress | RemoveAddress | RecordAddress | TidyRecord


def change_addresses(host: Host, operation: AddressOperation) -> None:
    """Carry out one of them. Raises what `Host` raises."""
    match operation:
        case AddAddress(address, owner):
            host.add_address(address, owner)
        case RemoveAddress(address):
            host.remove_address(address)
        case RecordAddress(address, owner):
            host.record_address(address, owner)
        case TidyRecord(owners):
            host.write_record(record_text(owners))
