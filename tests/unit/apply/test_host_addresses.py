"""The steps that change a router's VIPs, and what its record of them says afterwards."""

from __future__ import annotations

import pytest

from reconciler.apply.host_addresses import AddressOperation, change_addresses
from reconciler.facets.addresses import decode_record
from reconciler.model.errors import RouterUnreachable
from reconciler.model.operation import AddAddress, RecordAddress, RemoveAddress, TidyRecord
from reconciler.model.router_config import InterfaceAddress
from tests.memory.host import MemoryHost

OWN = InterfaceAddress("eth0", "203.0.113.1/24")
VIP = InterfaceAddress("eth0", "203.0.113.11/24")


@pytest.fixture
def host() -> MemoryHost:
    return MemoryHost("paris", [OWN], lambda *_: 0)


Found = tuple[set[InterfaceAddress], dict[InterfaceAddress, str]]


def after(host: MemoryHost, *operations: AddressOperation) -> Found:
    """The addresses of a host and its record."""
    for operation in operations:
        change_addresses(host, operation)
    seen = host.snapshot([])
    return set(seen.addresses), dict(decode_record(seen.record).owners)


def test_a_vip_that_is_added_is_recorded_for_its_document(host: MemoryHost) -> None:
    assert after(host, AddAddress(VIP, "Vip/web")) == ({OWN, VIP}, {VIP: "Vip/web"})


def test_a_vip_that_is_removed_leaves_the_record(host: MemoryHost) -> None:
    assert after(host, AddAddress(VIP, "Vip/web"), RemoveAddress(VIP)) == ({OWN}, {})


def test_another_document_is_recorded_and_the_address_stays(host: MemoryHost) -> None:
    found = after(host, AddAddress(VIP, "Vip/web"), RecordAddress(VIP, "IPsecTunnel/a-to-b"))
    assert found == ({OWN, VIP}, {VIP: "IPsecTunnel/a-to-b"})


def test_without_a_document_the_address_stays_and_is_recorded_no_more(host: MemoryHost) -> None:
    assert after(host, AddAddress(VIP, "Vip/web"), RecordAddress(VIP, "")) == ({OWN, VIP}, {})


def test_a_record_is_written_anew_and_no_address_changes(host: MemoryHost) -> None:
    found = after(host, AddAddress(VIP, "Vip/web"), TidyRecord({OWN: "Vip/own"}))
    assert found == ({OWN, VIP}, {OWN: "Vip/own"})


def test_a_router_that_does_not_answer_is_an_error(host: MemoryHost) -> None:
    host.up = False
    with pytest.raises(RouterUnreachable):
        change_addresses(host, AddAddress(VIP, "Vip/web"))
