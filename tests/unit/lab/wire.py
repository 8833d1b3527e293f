"""Captures made by hand: ESP built by scapy with keys of these tests, as a tunnel would send it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

from scapy.layers.inet import IP
from scapy.layers.ipsec import ESP, SecurityAssociation

from lab.charon import ReportedSa
from lab.esp import EspOpener, EspSa, Opened
from lab.packets import EspPacket, Packet, esp_of, from_frame
from lab.proof import Probe
from lab.traffic import make_batch
from reconciler.model.secret import Secret

LEFT, RIGHT = "203.0.113.11", "203.0.113.12"
NEAR, FAR = "10.1.0.10", "10.2.0.10"
SPI_THERE, SPI_BACK = 0xC0FFEE01, 0xC0FFEE02
KEY, AUTH = bytes(range(32)), bytes(range(32, 64))
ETHERNET = bytes.fromhex("0200000000020200000000010800")
ATTACKER = bytes.fromhex("0200000000aa")


def sa(spi: int, source: str, destination: str, key: bytes = KEY) -> EspSa:
    return EspSa(spi, source, destination, "AES-CBC", Secret(key), "SHA2-256-128", Secret(AUTH))


SAS = (sa(SPI_THERE, LEFT, RIGHT), sa(SPI_BACK, RIGHT, LEFT))
THERE = make_batch(NEAR, FAR, 3)
BACK = make_batch(FAR, NEAR, 3)
BOTH = (*THERE.probes, *BACK.probes)


@cache
def association(spi: int, source: str, destination: str, key: bytes) -> Any:
    return SecurityAssociation(  # type: ignore[no-untyped-call]
        ESP,
        spi=spi,
        crypt_algo="AES-CBC",
        crypt_key=key,
        auth_algo="SHA2-256-128",
        auth_key=AUTH,
        tunnel_header=IP(src=source, dst=destination),
    )


def clear(probe: Probe, time: float = 0.0) -> Packet:
    return from_frame(time, ETHERNET + probe.ip)


def sealed(probe: Probe, sequence: int, *, back: bool = False, key: bytes = KEY) -> Packet:
    spi, source, destination = (SPI_BACK, RIGHT, LEFT) if back else (SPI_THERE, LEFT, RIGHT)
    outer = association(spi, source, destination, key).encrypt(IP(probe.ip), seq_num=sequence)
    return from_frame(float(sequence), ETHERNET + bytes(outer))


def in_udp(packet: Packet) -> Packet:
    body = struct.pack("!HHHH", 4500, 4500, 8 + len(packet.body), 0) + packet.body
    ip = IP(src=packet.source, dst=packet.destination, proto=17) / body
    return from_frame(packet.time, ETHERNET + bytes(ip))


def good_wan() -> list[Packet]:
    there = [sealed(probe, number) for number, probe in enumerate(THERE.probes, 1)]
    return there + [sealed(probe, number, back=True) for number, probe in enumerate(BACK.probes, 1)]


def esp(packets: Sequence[Packet]) -> list[EspPacket]:
    return [found for packet in packets if (found := esp_of(packet))]


def opened(packets: Sequence[Packet], sas: Sequence[EspSa] = SAS) -> list[Opened]:
    return EspOpener(sas).open_all(esp(packets))


def reported(local: str, remote: str, spi_in: int, spi_out: int) -> tuple[ReportedSa, ...]:
    return (ReportedSa("c", "c", local, remote, spi_in, spi_out, encapsulated=False),)


LEFT_REPORT = reported(LEFT, RIGHT, SPI_BACK, SPI_THERE)
RIGHT_REPORT = reported(RIGHT, LEFT, SPI_THERE, SPI_BACK)
