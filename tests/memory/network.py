"""What the routers of one network in memory share: addresses, numbers, and the SAs between them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netaddr import IPAddress, IPNetwork

from reconciler.facets.connections import printed_id
from reconciler.routers.protocol import Message

if TYPE_CHECKING:
    from tests.memory.charon import Charon
    from tests.memory.router import MemoryRouter

CIPHERS = {"3des": ("3DES_CBC", ""), "aes128": ("AES_CBC", "128"), "aes192": ("AES_CBC", "192")}
INTEGRITY = {
    "md5": ("HMAC_MD5_96", "PRF_HMAC_MD5"),
    "sha1": ("HMAC_SHA1_96", "PRF_HMAC_SHA1"),
    "sha256": ("HMAC_SHA2_256_128", "PRF_HMAC_SHA2_256"),
    "sha384": ("HMAC_SHA2_384_192", "PRF_HMAC_SHA2_384"),
    "sha512": ("HMAC_SHA2_512_256", "PRF_HMAC_SHA2_512"),
}


@dataclass(slots=True, eq=False)
class Child:
    """One end of a CHILD_SA; its SPIs follow from the numbers of both ends."""

    number: int
    name: str
    fingerprint: str
    """The child configuration that it was set up by."""
    proposal: str
    local_ts: list[str]
    remote_ts: list[str]
    peer: Child | None = None
    packets_in: int = 0
    state: str = "INSTALLED"

    def carry(self, count: int) -> None:
        """Packets go to the peer, and as many come back."""
        for end in (self, self.peer):
            if end is not None:
                end.packets_in += count

    def listed(self) -> Message:
        """As list-sas words it. The first CHILD_SA of an IKE_SA shows no group."""
        encryption, integrity, *_ = [*self.proposal.split("-"), ""]
        cipher, size = CIPHERS.get(encryption, ("AES_CBC", "256"))
        return {
            "name": self.name,
            "uniqueid": str(self.number),
            "state": self.state,
            "mode": "TUNNEL",
            "protocol": "ESP",
            "spi-in": f"c{self.number:07x}",
            "spi-out": f"c{self.peer.number:07x}" if self.peer is not None else "",
            "encr-alg": cipher,
            "encr-keysize": size or ("256" if cipher == "AES_CBC" else ""),
            "integ-alg": INTEGRITY[integrity][0],
            "packets-in": str(self.packets_in),
            "local-ts": self.local_ts,
            "remote-ts": self.remote_ts,
        }


@dataclass(slots=True, eq=False)
class Sa:
    """One end of an IKE_SA, with the configuration that it was set up by."""

    number: int
    connection: str
    settings: dict[str, Any]
    fingerprint: str
    initiator: bool
    children: list[Child] = field(default_factory=list)
    peer: Sa | None = None

    def listed(self) -> Message:
        """As list-sas words it."""
        ends = [self, self.peer] if self.initiator else [self.peer, self]
        numbers = [end.number if end is not None else 0 for end in ends]
        encryption, integrity, group = self.settings["proposals"][0].split("-")
        cipher, size = CIPHERS.get(encryption, ("AES_CBC", "256"))
        return {
            "uniqueid": str(self.number),
            "version": self.settings["version"],
            "state": "ESTABLISHED",
            "local-host": self.settings["local_addrs"][0],
            "local-id": printed_id(self.settings["local"]["id"]),
            "remote-host": self.settings["remote_addrs"][0],
            "remote-id": printed_id(self.settings["remote"]["id"]),
            "initiator": "yes" if self.initiator else "no",
            "encr-alg": cipher,
            "encr-keysize": size or ("256" if cipher == "AES_CBC" else ""),
            "integ-alg": INTEGRITY[integrity][0],
            "prf-alg": INTEGRITY[integrity][1],
            "dh-group": group.upper().replace("MODP", "MODP_").replace("ECP", "ECP_"),
            "established": "1",
            "initiator-spi": f"{numbers[0]:016x}",
            "responder-spi": f"{numbers[1]:016x}",
            "child-sas": {f"{child.name}-{child.number}": child.listed() for child in self.children},
        }


class Network:
    """Routers that reach one another."""

    def __init__(self) -> None:
        self.routers: list[MemoryRouter] = []
        self._numbers: Iterator[int] = itertools.count(1)

    def number(self) -> int:
        """A number that no other SA has."""
        return next(self._numbers)

    def reachable(self, address: str) -> bool:
        """True when a router that is up holds the address."""
        return self.holder(address) is not None

    def holder(self, address: str) -> Charon | None:
        """The charon that answers on an address."""
        for router in self.routers:
            held = {item.host for item in router.host.addresses}
            if router.vici.up and address in held:
                return router.vici
        return None

    def forget(self, sa: Sa) -> None:
        """End an IKE_SA at both ends."""
        for router in self.routers:
            for gone in (item for item in router.vici.sas if item in (sa, sa.peer)):
                router.vici.goes(gone)
            router.vici.sas = [kept for kept in router.vici.sas if kept not in (sa, sa.peer)]

    def ping(self, source: str, destination: str, count: int) -> int:
        """Send echo requests and count the replies. Where a trap wakes the tunnel the first one is lost."""
        carrier = self._carrier(source, destination)
        if carrier is not None:
            carrier.carry(count)
            return count
        for router in self.routers:
            router.vici.acquire(lambda own, far: _covers(own, source) and _covers(far, destination))
        carrier = self._carrier(source, destination)
        if carrier is None:
            return 0
        carrier.carry(count - 1)
        return count - 1

    def _carrier(self, source: str, destination: str) -> Child | None:
        for child in (c for router in self.routers for sa in router.vici.sas for c in sa.children):
            if _covers(child.local_ts, source) and _covers(child.remote_ts, destination):
                return child
        return None


def _covers(selectors: list[str], address: str) -> bool:
    return any(IPAddress(address) in IPNetwork(selector) for selector in selectors)
