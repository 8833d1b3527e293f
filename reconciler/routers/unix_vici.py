"""VICI over a unix socket. strongSwan's own client encodes requests; answers are data of unknown
shape, read within bounds.

Never over TCP: VICI has no authentication, and who speaks it is root on the router.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from vici.protocol import Message as Encoder
from vici.protocol import Packet

from reconciler.model import bounds
from reconciler.model.errors import CommandRejected, RouterUnreachable, TunnelwrightError
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.protocol import Message, ViciEvent
from reconciler.routers.quota import in_force
from reconciler.routers.redaction import without_keys
from reconciler.routers.vici_message import Malformed, decode
from reconciler.routers.vici_wire import Wire


class UnixVici:
    """A session with the charon that is behind a connected socket, which it closes in the end.

    An answer that is late, too large or no answer ends the session: what came after it could belong to
    anything. `lost` gives the reason when it is known that the way to charon has broken.
    """

    def __init__(self, router: str, connected: socket.socket, lost: Callable[[], str] = lambda: "") -> None:
        self._router = router
        self._wire = Wire(connected)
        self._lost = lost
        self._quotas = in_force()
        self._over = ""
        self._subscribed: set[str] = set()
        self._waiting: deque[bytes] = deque()

    @classmethod
    def at(cls, router: str, path: str, allowance: Allowance) -> Self:
        """The charon whose socket has this path on this machine. Raises RouterUnreachable."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(min(bounds.VICI_SECONDS, allowance.left()))
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            raise RouterUnreachable(
                f"charon's VICI socket {path} does not answer: {error.strerror or error}",
                router=router,
                operation="connect",
                hint=_HINTS.get(type(error), "check that charon runs on the router"),
            ) from error
        return cls(router, connection)

    def request(self, command: str, message: Message | None = None) -> Message:
        """Send one command and return its reply."""
        with self._talking(command, message) as allowance:
            self._wire.send(self._command(command, message), allowance)
            reply = self._reply(self._answer(allowance), allowance)
        return self._accepted(command, message, reply)

    def stream(self, command: str, event: str, message: Message | None = None) -> Iterator[Message]:
        """Send one command and yield the events that it streams."""
        with self._talking(command, message) as allowance:
            request = self._command(command, message)
            self._register(Packet.register_event(event), allowance)
            self._wire.send(request, allowance)
            elements = 0
            try:
                while (packet := self._answer(allowance))[0] == Packet.EVENT:
                    item, count = decode(packet, _after_name(packet))
                    elements += count + 1
                    if elements > bounds.VICI_ANSWER_ELEMENTS:
                        raise Malformed(f"more than {bounds.VICI_ANSWER_ELEMENTS} elements in all")
                    began = time.monotonic()
                    yield item
                    allowance.forgive(time.monotonic() - began)
            except GeneratorExit:
                # The rest is not wanted; the session goes on after it.
                with contextlib.suppress(TunnelwrightError), self._talking(command) as rest:
                    while self._answer(rest)[0] == Packet.EVENT:
                        pass
                    self._register(Packet.unregister_event(event), rest)
                raise
            self._register(Packet.unregister_event(event), allowance)
            reply = self._reply(packet, allowance)
        self._accepted(command, message, reply)

    def subscribe(self, *events: str) -> frozenset[str]:
        """Ask for events until the session is closed; those of them that this charon knows."""
        for event in events:
            with self._talking(event) as allowance:
                self._wire.send(Packet.register_event(event), allowance)
                kind = self._answer(allowance)[0]
                if kind == Packet.EVENT_CONFIRM:
                    self._subscribed.add(event)
                elif kind != Packet.EVENT_UNKNOWN:
                    raise Malformed(f"a packet of type {kind} instead of a confirmation")
        return frozenset(self._subscribed.intersection(events))

    def next_event(self, pause: float) -> ViciEvent | None:
        """The next event that was asked for; None when there was none for `pause` seconds.

        A subscription may last: each event is an answer of its own.
        """
        with self._talking("events") as allowance:
            if self._waiting:
                return self._event(self._waiting.popleft())
            began = time.monotonic()
            comes = self._wire.begins(allowance, pause)
            # It was not requested, so it may come at any time.
            allowance.forgive(time.monotonic() - began)
            return self._event(self._wire.receive(allowance)) if comes else None

    def close(self) -> None:
        """Close the socket."""
        self._over = self._over or "the VICI session is closed"
        self._wire.close()

    @contextlib.contextmanager
    def _talking(self, operation: str, message: Message | None = None) -> Iterator[Allowance]:
        """One answer, within its bounds. Whatever it fails by is an error of the router, and the end of the
        session."""
        if self._over:
            raise self._unreachable(operation, self._over)
        own = _own_seconds(message)
        limits = Limits(bounds.VICI_SECONDS + own, bounds.VICI_BYTES, own)
        allowance = Allowance(limits, self._router, operation, f"VICI {operation}", self._quotas)
        try:
            with allowance:
                yield allowance
        except CommandRejected:
            raise
        except TunnelwrightError as error:
            self._end(error.message)
            if isinstance(error, RouterUnreachable) and self._lost():
                raise self._unreachable(operation, self._lost()) from error
            raise
        except OSError as error:
            reason = f"charon did not answer {operation}: {error.strerror or error}"
            self._end(reason)
            raise self._unreachable(operation, self._lost() or reason) from error
        except Malformed as error:
            refused = allowance.refused(str(error))
            self._end(refused.message)
            raise refused from error

    def _end(self, reason: str) -> None:
        self._over = reason
        self._wire.close()

    def _register(self, request: bytes, allowance: Allowance) -> None:
        """Begin or end the stream of a command; events of it that are on their way are passed over."""
        self._wire.send(request, allowance)
        while (packet := self._answer(allowance))[0] == Packet.EVENT:
            pass
        if packet[0] == Packet.EVENT_UNKNOWN:
            raise CommandRejected("unknown event", router=self._router, operation=allowance.operation)
        if packet[0] != Packet.EVENT_CONFIRM:
            raise Malformed(f"a packet of type {packet[0]} instead of a confirmation")

    def _answer(self, allowance: Allowance) -> bytes:
        """The next packet that is no event of a subscription: those wait to be read."""
        while _name(packet := self._wire.receive(allowance)) in self._subscribed:
            if len(self._waiting) == bounds.VICI_WAITING:
                raise Malformed(f"more than {bounds.VICI_WAITING} events before an answer")
            self._waiting.append(packet)
        return packet

    def _event(self, packet: bytes) -> ViciEvent:
        name = _name(packet)
        if name is None:
            raise Malformed(f"a packet of type {packet[0]} instead of an event")
        return name, decode(packet, _after_name(packet))[0]

    def _command(self, command: str, message: Message | None) -> bytes:
        try:
            packet: bytes = Packet.request(command, None if message is None else Encoder.serialize(message))
        except (struct.error, UnicodeError) as error:
            raise self._too_large(command, "a value of it has more than 65,535 bytes") from error
        if len(packet) > bounds.VICI_PACKET_BYTES:
            raise self._too_large(command, f"it has more than {bounds.VICI_PACKET_BYTES // bounds.KIB} KiB")
        return packet

    def _too_large(self, command: str, why: str) -> CommandRejected:
        return CommandRejected(
            f"the message cannot be sent by VICI: {why}", router=self._router, operation=command
        )

    def _reply(self, packet: bytes, allowance: Allowance) -> dict[str, Any]:
        if packet[0] == Packet.CMD_UNKNOWN:
            raise CommandRejected("unknown command", router=self._router, operation=allowance.operation)
        if packet[0] != Packet.CMD_RESPONSE:
            raise Malformed(f"a packet of type {packet[0]} instead of a reply")
        return decode(packet, 1)[0]

    def _accepted(self, command: str, message: Message | None, reply: dict[str, Any]) -> Message:
        if reply.get("success", "yes") == "yes":
            return reply
        words = reply.get("errmsg")
        reason = without_keys(words, keys=_has_keys(message)) if isinstance(words, str) else ""
        raise CommandRejected(reason or "refused without a reason", router=self._router, operation=command)

    def _unreachable(self, operation: str, reason: str) -> RouterUnreachable:
        return RouterUnreachable(reason, router=self._router, operation=operation)


_HINTS: dict[type[OSError], str] = {
    PermissionError: "run as a user who may open the socket (VICI access is equivalent to root)",
    FileNotFoundError: "check that the router is up, and that the socket's folder is shared with this "
    "machine",
}


def _own_seconds(message: Message | None) -> float:
    """How long a command itself may take, as it says in milliseconds; a negative time returns at once."""
    text = str((message or {}).get("timeout", "0"))
    return int(text) / 1000 if text.isascii() and text.isdigit() else 0.0


def _has_keys(message: Mapping[str, Any] | None) -> bool:
    """Only a key is sent as bytes."""
    return any(isinstance(value, bytes) for value in (message or {}).values())


def _name(packet: bytes) -> str | None:
    """What an event is called; None for a packet that is none."""
    if packet[0] != Packet.EVENT:
        return None
    return packet[2 : _after_name(packet)].decode(errors="backslashreplace")


def _after_name(packet: bytes) -> int:
    """Where the message of an event begins: after its type and its name."""
    if len(packet) < 2 or len(packet) < 2 + packet[1]:
        raise Malformed("an event whose name is cut off")
    return 2 + packet[1]
