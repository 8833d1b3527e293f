"""A charon that answers nonsense: one server for a socketpair and for a socket that lies on a router."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.errors import AnswerNotUnderstood, CommandRejected, RouterUnreachable, TunnelwrightError

REQUEST, RESPONSE, UNKNOWN, REGISTER, UNREGISTER, CONFIRM, _, EVENT = range(8)
SECTION, END, VALUE, LIST, ITEM, LIST_END = (bytes([kind]) for kind in range(1, 7))


def name(text: bytes) -> bytes:
    """A name as VICI writes it."""
    return bytes([len(text)]) + text


def value(key: bytes, text: bytes) -> bytes:
    """A named value as VICI writes it."""
    return VALUE + name(key) + struct.pack("!H", len(text)) + text


def packet(kind: int, message: bytes = b"") -> bytes:
    """A packet with its length before it."""
    return struct.pack("!I", len(message) + 1) + bytes([kind]) + message


@dataclass(slots=True)
class Talk:
    """One connection of the server, until the other side has had enough of it."""

    connection: socket.socket
    over: threading.Event
    sent: int = 0

    def say(self, data: bytes) -> None:
        """Send; what the other side does not take is not counted."""
        view = memoryview(data)
        while view and not self.over.is_set():
            with contextlib.suppress(TimeoutError):
                count = self.connection.send(view)
                self.sent += count
                view = view[count:]

    def drip(self, data: bytes, pause: float) -> None:
        """Send a byte now and then, again and again."""
        while True:
            for byte in data:
                if self.over.wait(pause):
                    return
                self.say(bytes([byte]))

    def flood(self, data: bytes) -> None:
        """Send without end."""
        while not self.over.is_set():
            self.say(data)


Answer = Callable[[Talk], None]


@dataclass(frozen=True, slots=True)
class Nonsense:
    """An answer to a command, and by what it has to fail."""

    answer: Answer
    error: type[TunnelwrightError]
    words: str


def said(data: bytes) -> Answer:
    """Just these bytes."""
    return lambda talk: talk.say(data)


CONN = packet(EVENT, name(b"list-conn") + SECTION + name(b"tw-a") + value(b"version", b"IKEv2") + END)
WIDE = packet(EVENT, name(b"list-conn") + value(b"tw-a", bytes(9000)))
NONSENSE = {
    "a length of 4 GiB": Nonsense(
        lambda talk: talk.flood(b"\xff" * 65536), AnswerNotUnderstood, "a packet of 4,294,967,295 bytes"
    ),
    "an empty packet": Nonsense(said(bytes(4)), AnswerNotUnderstood, "a packet of 0 bytes"),
    "a value that is cut off": Nonsense(
        said(packet(RESPONSE, VALUE + name(b"version") + b"\xff\xff6.0")), AnswerNotUnderstood, "cut off"
    ),
    "a name that is cut off": Nonsense(
        said(packet(RESPONSE, VALUE + b"\xff")), AnswerNotUnderstood, "cut off"
    ),
    "a section that does not close": Nonsense(
        said(packet(RESPONSE, SECTION + name(b"a"))), AnswerNotUnderstood, "a section that does not close"
    ),
    "a section that was not open": Nonsense(said(packet(RESPONSE, END)), AnswerNotUnderstood, "no place"),
    "a list that does not close": Nonsense(
        said(packet(RESPONSE, LIST + name(b"keys"))), AnswerNotUnderstood, "a list that does not close"
    ),
    "a section in a list": Nonsense(
        said(packet(RESPONSE, LIST + name(b"keys") + SECTION)), AnswerNotUnderstood, "no place"
    ),
    "5,000 sections": Nonsense(
        said(packet(RESPONSE, (SECTION + name(b"a")) * 5000 + END * 5000)),
        AnswerNotUnderstood,
        "more than 16 nested sections",
    ),
    "too many elements": Nonsense(
        said(packet(RESPONSE, LIST + name(b"a") + (ITEM + b"\0\0") * 70_000 + LIST_END)),
        AnswerNotUnderstood,
        "more than 65536 elements",
    ),
    "an unknown type of element": Nonsense(said(packet(RESPONSE, b"\x09")), AnswerNotUnderstood, "type 9"),
    "an unknown type of packet": Nonsense(said(packet(9)), AnswerNotUnderstood, "type 9"),
    "a confirmation": Nonsense(said(packet(CONFIRM)), AnswerNotUnderstood, "a packet of type 5"),
    "a refusal without words": Nonsense(
        said(packet(RESPONSE, value(b"success", b"no"))), CommandRejected, "without a reason"
    ),
    "a refusal whose words are a section": Nonsense(
        said(packet(RESPONSE, value(b"success", b"no") + SECTION + name(b"errmsg") + END)),
        CommandRejected,
        "without a reason",
    ),
    "nothing": Nonsense(lambda _: None, RouterUnreachable, "no complete answer"),
    "the half of a packet": Nonsense(
        said(struct.pack("!I", 4000) + bytes(1000)), RouterUnreachable, "1,00[49] bytes came"
    ),
    "a byte now and then": Nonsense(
        lambda talk: talk.drip(packet(RESPONSE, bytes(4000)), 0.02), RouterUnreachable, "no complete answer"
    ),
    "the end": Nonsense(
        lambda talk: talk.connection.shutdown(socket.SHUT_RDWR), RouterUnreachable, "closed the session"
    ),
}
STREAMED = {
    **{kind: item for kind, item in NONSENSE.items() if not kind.startswith("a refusal")},
    "events without end": Nonsense(
        lambda talk: talk.flood(WIDE * 50), AnswerNotUnderstood, "more than 1 MiB"
    ),
    "empty events without end": Nonsense(
        lambda talk: talk.flood(packet(EVENT, name(b"list-conn")) * 500),
        AnswerNotUnderstood,
        "elements in all",
    ),
    "an event without a name": Nonsense(said(packet(EVENT)), AnswerNotUnderstood, "name is cut off"),
    "events now and then": Nonsense(
        lambda talk: talk.drip(CONN, 0.02), RouterUnreachable, "no complete answer"
    ),
}


@dataclass(slots=True)
class Charon:
    """Confirms every subscription, and answers each command in the same way."""

    answer: Answer
    talks: list[Talk] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def sent(self) -> int:
        """Bytes that were taken by the other side, or by the buffers in between."""
        return sum(talk.sent for talk in self.talks)

    def serve(self, connection: socket.socket) -> None:
        """Talk until the other side closes, or all is over."""
        connection.settimeout(0.05)
        talk = Talk(connection, self.over)
        self.talks.append(talk)
        with connection, contextlib.suppress(OSError, EOFError):
            while not self.over.is_set():
                (size,) = struct.unpack("!I", self._read(talk, 4))
                kind = self._read(talk, size)[0]
                if kind in (REGISTER, UNREGISTER):
                    talk.say(packet(CONFIRM))
                else:
                    self.answer(talk)

    def _read(self, talk: Talk, size: int) -> bytes:
        data = b""
        while len(data) < size:
            if self.over.is_set():
                raise EOFError
            with contextlib.suppress(TimeoutError):
                part = talk.connection.recv(size - len(data))
                if not part:
                    raise EOFError
                data += part
        return data


@contextlib.contextmanager
def beside(answer: Answer) -> Iterator[tuple[Charon, socket.socket]]:
    """Such a charon at the other end of a socket."""
    near, far = socket.socketpair()
    charon = Charon(answer)
    thread = threading.Thread(target=charon.serve, args=(far,))
    thread.start()
    try:
        yield charon, near
    finally:
        charon.over.set()
        near.close()
        thread.join()


@contextlib.contextmanager
def listening(path: Path, answer: Answer) -> Iterator[Charon]:
    """Such a charon at a path of this machine."""
    charon = Charon(answer)
    threads: list[threading.Thread] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(0.05)

        def accept() -> None:
            while not charon.over.is_set():
                with contextlib.suppress(TimeoutError):
                    threads.append(threading.Thread(target=charon.serve, args=(listener.accept()[0],)))
                    threads[-1].start()

        threads.append(threading.Thread(target=accept))
        threads[0].start()
        try:
            yield charon
        finally:
            charon.over.set()
            for thread in threads:
                thread.join()
            path.unlink()
