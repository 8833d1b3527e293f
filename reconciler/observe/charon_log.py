"""The charon log during an attempt: level 1, over a separate VICI session."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from reconciler.diagnosis.log_lines import without_connection
from reconciler.model import bounds
from reconciler.model.decoding import Fields
from reconciler.model.isolation import attempt
from reconciler.routers.protocol import Message, Router

UNNAMED = "(unnamed)"
"""What charon calls the connection of an IKE_SA for which it has found none yet."""
_TICK = 0.1
_NO_VERSION = "IKE version 1 not supported"
"""What charon says without an IKE_SA, because there cannot be one (ike_sa_manager.c)."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log, with the connection and the number of its IKE_SA where it is about one."""

    connection: str
    ike_sa: str
    text: str

    @property
    def named(self) -> bool:
        """Whether charon knows which connection the IKE_SA is of."""
        return self.connection not in {"", UNNAMED}


def log_line(event: Message) -> LogLine:
    """Raises AnswerNotUnderstood."""
    log = Fields(event, "log")
    return LogLine(
        log.text("ikesa-name", ""),
        log.text("ikesa-uniqueid", ""),
        log.text("msg", "")[: bounds.CHARON_LOG_CHARACTERS],
    )


def concerns(line: LogLine, local: str, peer: str) -> bool:
    """Whether a line shows by its packet that it is about an IKE_SA between these two addresses; or, where
    charon does not speak the version that it was asked for, that there cannot be one."""
    if not line.ike_sa:
        return line.text.startswith((_NO_VERSION, f"received unsupported IKE version 1.0 from {peer},"))
    packet = (f"received packet: from {peer}[", f"sending packet: from {local}[")
    return line.text.startswith(packet) and f" {local}[" in line.text and f" {peer}[" in line.text


class CharonLog:
    """Reads the log of one charon from entering to leaving the context. VICI gives no more than level 1, so
    no key is in it (vici_logger.c). Until then it alone uses the connection, which its caller closes."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._lines = _none()
        self._quiet = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        # Nothing is missed: the first silence comes after the subscription.
        self._quiet.wait(bounds.CHARON_LOG_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(bounds.CHARON_LOG_SECONDS)

    def forget(self) -> None:
        """Discard the log so far."""
        self._lines = _none()

    def said(self, connection: str, local: str, peer: str) -> tuple[str, ...]:
        """What was said of the IKE_SAs of one connection, oldest first. As responder charon does not know the
        connection until late, so an IKE_SA is known by the addresses of its packets as well; and of a version
        that it does not speak there is no IKE_SA."""
        self._settle()
        lines = list(self._lines)
        ours = {line.ike_sa for line in lines if line.connection == connection}
        ours |= {line.ike_sa for line in lines if concerns(line, local, peer)}
        # Through a NAT the peer's packets come from another address, and no connection is found for them.
        ours |= {line.ike_sa for line in lines if without_connection((line.text,), local)} - {""}
        return tuple(
            line.text
            for line in lines
            if (line.ike_sa in ours if line.ike_sa else concerns(line, local, peer))
        )

    def _settle(self) -> None:
        """charon queues its log: wait until nothing more comes."""
        deadline = time.monotonic() + bounds.CHARON_LOG_SECONDS
        self._quiet.clear()
        self._quiet.wait(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        # A charon that stops while it negotiates says no more: what it has said is kept.
        attempt("router", self._router.name, self._read)

    def _read(self) -> None:
        vici = self._router.vici
        vici.subscribe("log")
        while not self._done.is_set():
            event = vici.next_event(_TICK)
            if event is None:
                self._quiet.set()
            else:
                self._lines.append(log_line(event[1]))


def _none() -> deque[LogLine]:
    return deque(maxlen=bounds.CHARON_LOG_LINES)
