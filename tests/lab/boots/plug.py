"""plug.py INTERFACE OURS THEIRS: an Ethernet cable between an interface and a machine of qemu.

For the minimal Python of the lab's image. OURS and THEIRS are unix sockets (`-netdev dgram`). Frames of a
container have a checksum that its kernel leaves to a network card: it is completed here.
"""

import contextlib
import select
import socket
import struct
import sys
from pathlib import Path

PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
NEEDS_CHECKSUM = 1
"""virtio_net_hdr.flags (linux/virtio_net.h); the header has 10 bytes."""


def completed(data: bytes) -> bytes:
    """A frame that follows its header, with its checksum."""
    flags, _, _, _, start, offset = struct.unpack_from("=BBHHHH", data)
    frame = bytearray(data[10:])
    if flags & NEEDS_CHECKSUM:
        rest = bytes(frame[start:])
        total = sum(struct.unpack(f"!{(len(rest) + 1) // 2}H", rest + b"\0" * (len(rest) % 2)))
        while total > 0xFFFF:
            total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into("!H", frame, start + offset, (~total & 0xFFFF) or 0xFFFF)
    return bytes(frame)


def main(interface: str, ours: str, theirs: str) -> None:
    """Forward until killed."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind((interface, 0))
    wire.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)
    wire.setsockopt(263, PACKET_VNET_HDR, 1)
    Path(ours).unlink(missing_ok=True)
    machine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    machine.bind(ours)
    while True:
        ready, _, _ = select.select([wire, machine], [], [])
        # A card that is off reaches no machine; a full queue is a lost frame.
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError, BlockingIOError, OSError):
            if wire in ready:
                machine.sendto(completed(wire.recv(70_000)), socket.MSG_DONTWAIT, theirs)
            if machine in ready:
                wire.send(bytes(10) + machine.recv(70_000))


if __name__ == "__main__":
    main(*sys.argv[1:])
