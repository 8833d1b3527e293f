"""Opens captured ESP with the keys of the lab's own routers.

Keys come from charon's log at level `chd = 4`, which is the same for every data plane, because charon
derives the keys itself. Only the lab logs so much. They are held as `Secret` and never leave this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from scapy.layers.inet import IP
from scapy.layers.ipsec import ESP, IPSecIntegrityError, SecurityAssociation

from lab.packets import EspPacket, Packet, from_ip
from reconciler.model.secret import Secret

# strongSwan's names (encryption_algorithm_names, integrity_algorithm_names) → scapy's.
ENCRYPTION = {
    "AES_CBC": "AES-CBC",
    "AES_GCM_16": "AES-GCM",
    "CHACHA20_POLY1305": "CHACHA20-POLY1305",
    "3DES_CBC": "3DES",
}
INTEGRITY = {
    "HMAC_SHA1_96": "HMAC-SHA1-96",
    "HMAC_MD5_96": "HMAC-MD5-96",
    "HMAC_SHA2_256_128": "SHA2-256-128",
    "HMAC_SHA2_384_192": "SHA2-384-192",
    "HMAC_SHA2_512_256": "SHA2-512-256",
}

LINE = re.compile(r"^\S+ (\d+)\[(\w+)\] ?(.*)$")
USING = re.compile(r"using (\S+) for (encryption|integrity)")
KEY = re.compile(r"(encryption|integrity) (initiator|responder) key => (\d+) bytes")
DUMP = re.compile(r"\s*\d+: ((?:[0-9A-F]{2} ){1,16})")
ESTABLISHED = re.compile(
    r"^(\S+) \d+\[IKE\] (?:inbound )?CHILD_SA \S+ established with SPIs ([0-9a-f]+)_i ", re.MULTILINE
)
LOG_STEP = 0.001
"""Seconds between two times that charon's log can distinguish."""
SPI = re.compile(r"SPI 0x([0-9a-f]+), src (\S+) dst (\S+)")


@dataclass(frozen=True, slots=True)
class EspSa:
    """One direction of a CHILD_SA, with the keys that protect it. Algorithms are scapy's words."""

    spi: int
    source: str
    destination: str
    encryption: str
    encryption_key: Secret
    integrity: str
    """Empty for AEAD ciphers (RFC 5282): the cipher is its own integrity."""
    integrity_key: Secret


@dataclass(frozen=True, slots=True)
class Opened:
    """A captured ESP packet and what was in it: `inner` is None when no known key opens it."""

    esp: EspPacket
    inner: Packet | None
    reason: str = ""


class _Exchange:
    """What one thread of charon has logged of the CHILD_SA that it is installing."""

    def __init__(self) -> None:
        self.algorithms: dict[str, str] = {}
        self.keys: dict[tuple[str, str], bytearray] = {}
        self.filling: tuple[str, str] | None = None


def sas_from_log(text: str) -> list[EspSa]:
    """Every SA that a charon log (level `chd = 4`) reports, in order.

    The log does not say which end initiated, so each SPI comes twice: once with the initiator's keys and
    once with the responder's. The integrity check distinguishes them when a packet is opened.
    """
    threads: dict[str, _Exchange] = {}
    found = []
    for line in text.splitlines():
        parts = LINE.match(line)
        if not parts or parts[2] != "CHD":
            continue
        exchange = threads.setdefault(parts[1], _Exchange())
        said = parts[3]
        dump = DUMP.match(said)
        if dump and exchange.filling:
            exchange.keys[exchange.filling] += bytes.fromhex(dump[1])
            continue
        key, using, spi = KEY.search(said), USING.search(said), SPI.search(said)
        if using:
            if using[2] == "encryption":
                threads[parts[1]] = exchange = _Exchange()
            exchange.algorithms[using[2]] = using[1]
        exchange.filling = None
        if key:
            exchange.filling = (key[1], key[2])
            exchange.keys[exchange.filling] = bytearray()
        elif spi:
            found += _candidates(exchange, int(spi[1], 16), spi[2], spi[3])
    return found


def installations(text: str) -> dict[int, float]:
    """When a router had installed each CHILD_SA, at the latest, by its own log: epoch seconds by the SPI that
    it receives by."""
    return {int(spi, 16): float(time) + LOG_STEP for time, spi in ESTABLISHED.findall(text)}


class EspOpener:
    """Opens ESP packets. Remembers for each SPI which key fitted; every packet is verified anew."""

    def __init__(self, sas: Iterable[EspSa]) -> None:
        self._candidates: dict[tuple[int, str], list[EspSa]] = {}
        for sa in dict.fromkeys(sas):
            self._candidates.setdefault((sa.spi, sa.destination), []).append(sa)
        self._ready: dict[EspSa, Any] = {}

    def open(self, esp: EspPacket) -> Opened:
        """The inner packet, or the reason why there is none."""
        candidates = self._candidates.get((esp.spi, esp.packet.destination), [])
        for sa in candidates:
            inner = self._decrypt(sa, esp)
            if inner is not None:
                candidates.remove(sa)
                candidates.insert(0, sa)
                return Opened(esp, from_ip(esp.packet.time, b"", inner))
        return Opened(esp, None, "integrity check fails" if candidates else "no key for this SPI")

    def open_all(self, packets: Sequence[EspPacket]) -> list[Opened]:
        """All of them, in order."""
        return [self.open(packet) for packet in packets]

    def _decrypt(self, sa: EspSa, esp: EspPacket) -> bytes | None:
        if sa not in self._ready:
            arguments: dict[str, Any] = {}
            if sa.integrity:
                arguments = {"auth_algo": sa.integrity, "auth_key": sa.integrity_key.reveal()}
            self._ready[sa] = SecurityAssociation(  # type: ignore[no-untyped-call]
                ESP,
                spi=sa.spi,
                crypt_algo=sa.encryption,
                crypt_key=sa.encryption_key.reveal(),
                tunnel_header=IP(src=sa.source, dst=sa.destination),
                **arguments,
            )
        outer = IP(src=esp.packet.source, dst=esp.packet.destination, proto=50) / ESP(esp.data)
        try:
            return bytes(self._ready[sa].decrypt(outer))
        except (IPSecIntegrityError, InvalidTag, ValueError):
            # The other end's keys, a damaged packet, or a length that is no whole number of blocks.
            return None


def _candidates(exchange: _Exchange, spi: int, source: str, destination: str) -> list[EspSa]:
    encryption = ENCRYPTION.get(exchange.algorithms.get("encryption", ""), "")
    integrity = INTEGRITY.get(exchange.algorithms.get("integrity", ""), "")
    if not encryption:
        return []
    return [
        EspSa(
            spi,
            source,
            destination,
            encryption,
            Secret(bytes(exchange.keys[("encryption", side)])),
            integrity,
            Secret(bytes(exchange.keys.get(("integrity", side), b""))),
        )
        for side in ("initiator", "responder")
        if ("encryption", side) in exchange.keys
    ]
