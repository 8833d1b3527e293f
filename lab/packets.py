"""Captured Ethernet frames, cut just far enough for the proofs. Pure.

Only IPv4 is looked into (RFC 791); of everything else the frame itself is kept, so that a search for
a payload sees all bytes that were on the wire.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

ETHERNET_HEADER = 14
ETHERTYPE_IPV4 = b"\x08\x00"
PROTOCOL_UDP = 17
PROTOCOL_ESP = 50
NAT_T_PORT = 4500
NOT_IP = -1

PCAP_MAGIC = 0xA1B2C3D4
PCAP_HEADER = 24
RECORD_HEADER = 16


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame. Without IPv4 in it, `protocol` is -1 and the addresses are empty."""

    time: float
    """Seconds since the epoch, of the machine that captured."""
    frame: bytes
    source: str
    destination: str
    protocol: int
    body: bytes
    """What follows the IPv4 header."""

    @property
    def payload(self) -> bytes:
        """UDP payload, or the body of any other protocol."""
        return self.body[8:] if self.protocol == PROTOCOL_UDP else self.body

    @property
    def source_mac(self) -> bytes:
        """The sender's Ethernet address, 6 bytes."""
        return self.frame[6:12]


@dataclass(frozen=True, slots=True)
class EspPacket:
    """An ESP packet (RFC 4303), bare or in UDP (RFC 3948)."""

    packet: Packet
    spi: int
    sequence: int
    data: bytes
    """From the SPI to the end of the ICV."""
    offset: int
    """Where `data` begins in the frame."""
    in_udp: bool


def from_ip(time: float, frame: bytes, ip: bytes) -> Packet:
    """A packet whose IPv4 datagram is `ip`; trailing bytes beyond its total length are padding."""
    if len(ip) < 20 or ip[0] >> 4 != 4:
        return Packet(time, frame, "", "", NOT_IP, b"")
    header = (ip[0] & 15) * 4
    (total,) = struct.unpack_from("!H", ip, 2)
    return Packet(
        time,
        frame,
        socket.inet_ntoa(ip[12:16]),
        socket.inet_ntoa(ip[16:20]),
        ip[9],
        ip[header : max(total, header)],
    )


def from_frame(time: float, frame: bytes) -> Packet:
    """A packet from an Ethernet II frame without VLAN tags."""
    if frame[12:14] != ETHERTYPE_IPV4:
        return Packet(time, frame, "", "", NOT_IP, b"")
    return from_ip(time, frame, frame[ETHERNET_HEADER:])


def esp_of(packet: Packet) -> EspPacket | None:
    """The ESP packet in it, or None. IKE on port 4500 starts with four zero bytes and is not ESP."""
    offset, in_udp = 0, False
    if packet.protocol == PROTOCOL_UDP and len(packet.body) >= 16:
        source, destination = struct.unpack_from("!HH", packet.body)
        if NAT_T_PORT not in (source, destination) or packet.body[8:12] == b"\0\0\0\0":
            return None
        offset, in_udp = 8, True
    elif packet.protocol != PROTOCOL_ESP or len(packet.body) < 8:
        return None
    data = packet.body[offset:]
    spi, sequence = struct.unpack_from("!II", data)
    return EspPacket(packet, spi, sequence, data, packet.frame.index(packet.body) + offset, in_udp)


def read_pcap(data: bytes) -> Iterator[Packet]:
    """Every whole record of a capture file with microseconds; a record still being written is left out.

    Raises ValueError for another format.
    """
    if len(data) < PCAP_HEADER:
        return
    order = "<" if struct.unpack_from("<I", data)[0] == PCAP_MAGIC else ">"
    if struct.unpack_from(f"{order}I", data)[0] != PCAP_MAGIC:
        raise ValueError("not a pcap file with microsecond timestamps")
    offset = PCAP_HEADER
    while offset + RECORD_HEADER <= len(data):
        seconds, micros, length, _original = struct.unpack_from(f"{order}IIII", data, offset)
        offset += RECORD_HEADER
        if offset + length > len(data):
            return
        yield from_frame(seconds + micros / 1e6, data[offset : offset + length])
        offset += length
