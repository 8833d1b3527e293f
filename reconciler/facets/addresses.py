"""VIP addresses on their interfaces. An address is added when it is missing and never removed: it may
carry other services, and a router does not tell who configured it."""

from __future__ import annotations

from reconciler.model.fabric import Vip
from reconciler.model.router_config import InterfaceAddress


def compile_addresses(vips: tuple[Vip, ...]) -> frozenset[InterfaceAddress]:
    """The addresses that a router must hold for its VIPs. The system VIP is the router's own."""
    return frozenset(
        InterfaceAddress(vip.interface, f"{vip.address}/{vip.prefix_length}") for vip in vips if vip.managed
    )


def missing(
    desired: frozenset[InterfaceAddress], live: frozenset[InterfaceAddress]
) -> tuple[InterfaceAddress, ...]:
    """The desired addresses that are not there. An address counts as there whatever its prefix
    length is, as long as it is on the right interface."""
    there = {(address.interface, address.cidr.partition("/")[0]) for address in live}
    absent = [a for a in desired if (a.interface, a.cidr.partition("/")[0]) not in there]
    return tuple(sorted(absent, key=lambda address: (address.interface, address.cidr)))
