"""What the captures of a lab's public networks say of a tunnel: its ESP, and what was in it."""

from __future__ import annotations

from collections.abc import Iterable

from lab.esp import EspOpener, Opened, installations, sas_from_log
from lab.packets import EspPacket, Packet, esp_of
from lab.proof import StreamResult, in_flight
from lab.session import Lab
from lab.topology import Flow, Role

ARRIVAL = 5.0
"""Seconds that sent packets may take to arrive."""
BYSTANDER_INTERFACE = "eth0"


def bystander_mac(lab: Lab, network: str) -> bytes:
    """The Ethernet address of a public network's bystander, 6 bytes."""
    text = lab.run(Role.BYSTANDER, network, ["cat", f"/sys/class/net/{BYSTANDER_INTERFACE}/address"])
    return bytes.fromhex(text.strip().replace(":", ""))


def esp_between(packets: Iterable[Packet], left: str, right: str, ignore: bytes = b"") -> list[EspPacket]:
    """ESP packets between two addresses, without those of one Ethernet sender."""
    return [
        esp
        for packet in packets
        if {packet.source, packet.destination} == {left, right}
        and packet.source_mac != ignore
        and (esp := esp_of(packet))
    ]


def open_esp(lab: Lab, routers: Iterable[str], esp: list[EspPacket]) -> list[Opened]:
    """Open ESP packets with all keys that these routers' logs hold."""
    sas = [
        sa for router in routers for sa in sas_from_log(lab.charon_log(router).read_text(errors="replace"))
    ]
    return EspOpener(sas).open_all(esp)


def lost_in_flight(lab: Lab, flow: Flow, wan: Iterable[Packet], results: Iterable[StreamResult]) -> int:
    """How many packets of a flow's streams were lost between the routers, in an SA that the other end did not
    have yet."""
    missing = [packet for result in results for packet in result.missing]
    if not missing:
        return 0
    first, last = min(p.time for p in missing), max(p.time for p in missing)
    # Opening a packet costs a millisecond: only those that can hold a missing one.
    around = [p for p in wan if first <= p.time <= last + ARRIVAL]
    esp = esp_between(around, flow.left.vip.address, flow.right.vip.address)
    routers = (flow.left.router, flow.right.router)
    installed: dict[int, float] = {}
    for router in routers:
        installed |= installations(lab.charon_log(router).read_text(errors="replace"))
    return in_flight(missing, open_esp(lab, routers, esp), installed)
