"""VIPs on their interfaces, and the router's record of those that tunnelwright added.

The record says whose an address is. The kernel does not: what is not in it was configured otherwise,
and is never touched. An address is recorded before it is added and removed before it leaves the record,
so that no crash leaves one without an owner. Each line of RECORD is `ADDRESS/PREFIX INTERFACE DOCUMENT`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from reconciler.model import bounds
from reconciler.model.fabric import VIP_DOCUMENT, Fabric, Vip, tunnel_document
from reconciler.model.router_config import AddressRecord, Claims, InterfaceAddress, RouterConfig
from schemas.addresses import is_address

RECORD: Final = "/etc/tunnelwright/addresses"

_LINE = re.compile(
    rf"(?P<address>[0-9.]{{7,15}})/(?P<length>[0-9]|[12][0-9]|3[0-2]) (?P<interface>[!-~]{{1,15}})"
    rf" (?P<owner>[!-~]{{1,{bounds.OWNER_CHARACTERS}}})"
)


def compile_addresses(vips: tuple[Vip, ...]) -> dict[InterfaceAddress, str]:
    """The addresses that a router must hold for its VIPs, each with the document that asks for it. The system
    VIP is the router's own."""
    return {
        InterfaceAddress(vip.interface, f"{vip.address}/{vip.prefix_length}"): vip.document
        for vip in vips
        if vip.managed
    }


def compile_claims(fabric: Fabric) -> Claims:
    """Which router and interface each address belongs to, and which tunnels there are."""
    places: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for vip in fabric.vips.values():
        places.setdefault((vip.public_network, vip.address), set()).add((vip.router, vip.interface))
    for router in fabric.routers.values():
        for part in router.public:
            places.setdefault((part.network, part.address), set()).add((router.name, part.interface))
    names = (name for tunnel in fabric.tunnels.values() for name in (tunnel.name, *tunnel.previous_names))
    return Claims(
        {what: frozenset(where) for what, where in places.items()},
        frozenset(map(tunnel_document, names)),
    )


def decode_record(text: str) -> AddressRecord:
    """What the record says, as far as it is understood; of two lines for one address the first counts."""
    owners: dict[InterfaceAddress, str] = {}
    seen: set[tuple[str, str]] = set()
    sound = len(text) <= bounds.ROUTER_RECORD_BYTES
    for line in filter(None, text.split("\n")):
        match = _LINE.fullmatch(line)
        if (
            match is None
            or not is_address(match["address"])
            or (match["interface"], match["address"]) in seen
        ):
            sound = False
            continue
        seen.add((match["interface"], match["address"]))
        owners[InterfaceAddress(match["interface"], f"{match['address']}/{match['length']}")] = match["owner"]
    return AddressRecord(owners, sound)


def record_text(owners: Mapping[InterfaceAddress, str]) -> str:
    """The record that says so."""
    lines = (f"{address.cidr} {address.interface} {owner}\n" for address, owner in owners.items())
    return "".join(sorted(lines))


def claimed(config: RouterConfig, address: InterfaceAddress) -> frozenset[tuple[str, str]]:
    """The (router, interface) to which Git gives an address of one of the router's interfaces."""
    host, network = address.host, config.networks.get(address.interface)
    if network is not None:
        return config.claims.places.get((network, host), frozenset())
    # Of an interface that is in no public network of Git it is not known which one it is in.
    found = (where for (_, other), where in config.claims.places.items() if other == host)
    return frozenset().union(*found)


def has_document_of_its_own(owner: str) -> bool:
    """Whether it is the document of a VIP alone, which other services may use as well."""
    return owner.startswith(VIP_DOCUMENT)


def left_over(config: RouterConfig, owner: str) -> bool:
    """Whether a VIP stays although no document asks for it: the tunnel that created it was deleted."""
    return not has_document_of_its_own(owner) and owner not in config.claims.documents


def by_place(found: Iterable[InterfaceAddress]) -> dict[tuple[str, str], InterfaceAddress]:
    """Addresses by interface and address. One counts as there whatever its prefix length is, as long as it is
    on the right interface."""
    return {address.place: address for address in found}
