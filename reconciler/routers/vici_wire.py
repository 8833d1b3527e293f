"""Packets on a VICI socket, each with its length before it, within an allowance of bytes and seconds.

strongSwan's Python client reads whatever length a packet claims, and waits without end for the rest of one
that has begun.
"""

from __future__ import annotations

import contextlib
import socket
import struct

from reconciler.model import bounds
from reconciler.model.listing import counted
from reconciler.routers.allowance import Allowance
from reconciler.routers.vici_message import Malformed

_LENGTH = struct.Struct("!I")
_CHUNK = 65536


class Wire:
    """A connected socket. `send` and `receive` raise OSError when the connection ends, and what the
    allowance raises."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._came = bytearray()

    def send(self, packet: bytes, allowance: Allowance) -> None:
        """Send one packet, of VICI_PACKET_BYTES at most."""
        try:
            # For sendall the limit is one for all of it (socket, "settimeout").
            self._socket.settimeout(allowance.left())
            self._socket.sendall(_LENGTH.pack(len(packet)) + packet)
        except TimeoutError:
            raise allowance.late() from None

    def receive(self, allowance: Allowance) -> bytes:
        """The next packet. Raises Malformed for a length that no packet has."""
        while (packet := self._whole()) is None:
            if not self._read(allowance, allowance.left()):
                raise allowance.late()
        return packet

    def begins(self, allowance: Allowance, pause: float) -> bool:
        """Whether a byte of the next packet comes within `pause` seconds."""
        return bool(self._came) or self._read(allowance, pause)

    def close(self) -> None:
        """Close the socket; this also ends a wait in another thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _read(self, allowance: Allowance, seconds: float) -> bool:
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            return False
        if not data:
            raise ConnectionError("it closed the session")
        allowance.took(len(data))
        self._came += data
        return True

    def _whole(self) -> bytes | None:
        if len(self._came) < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(self._came)
        if not 0 < size <= bounds.VICI_PACKET_BYTES:
            most = bounds.VICI_PACKET_BYTES // bounds.KIB
            raise Malformed(f"a packet of {counted(size, 'byte')}, where one has from 1 byte to {most} KiB")
        end = _LENGTH.size + size
        if len(self._came) < end:
            return None
        packet = bytes(self._came[_LENGTH.size : end])
        del self._came[:end]
        return packet
