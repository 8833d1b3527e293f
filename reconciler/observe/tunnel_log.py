"""charon's own words about tunnels, as they come.

They come over VICI, which gives no more than log level 1 (vici_logger.c), whatever the router writes
elsewhere: from level 3 on charon prints packets, and keys at level 4.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from reconciler.model import bounds
from reconciler.model.fabric import Tunnel
from reconciler.model.router_config import connection_name
from reconciler.model.secret import redacted
from reconciler.observe.charon_log import LogLine, concerns, log_line
from reconciler.routers.protocol import Message, Router


@dataclass(frozen=True, slots=True)
class Words:
    """One line. `at` is when this program received it, in UTC."""

    at: datetime
    router: str
    tunnel: str
    text: str


Say: TypeAlias = Callable[[Words], None]


class TunnelLog:
    """Picks the lines of one tunnel end. As responder charon does not know the connection at first: what it
    says of an IKE_SA without a name is kept until it has one, or its packets show whose it is."""

    def __init__(self, tunnel: Tunnel) -> None:
        self._connection = connection_name(tunnel.name)
        self._local, self._peer = tunnel.vip.address, tunnel.peer_address
        self._version = tunnel.ike.version
        self._ours: deque[str] = deque(maxlen=bounds.LOG_UNNAMED)
        self._unnamed: dict[str, list[str]] = {}

    def take(self, message: Message) -> Iterator[str]:
        """What one event of the log adds. Raises AnswerNotUnderstood."""
        line = log_line(message)
        if self._is_ours(line):
            if line.ike_sa and line.ike_sa not in self._ours:
                self._ours.append(line.ike_sa)
            yield from (*self._unnamed.pop(line.ike_sa, ()), line.text)
        elif line.ike_sa and not line.named:
            kept = self._unnamed.setdefault(line.ike_sa, [])
            if len(kept) < bounds.LOG_LINES:
                kept.append(line.text)
            if len(self._unnamed) > bounds.LOG_UNNAMED:
                del self._unnamed[next(iter(self._unnamed))]
        else:
            self._unnamed.pop(line.ike_sa, None)

    def _is_ours(self, line: LogLine) -> bool:
        if line.named:
            return line.connection == self._connection
        if not line.ike_sa and self._version != 1:
            return False
        return line.ike_sa in self._ours or concerns(line, self._local, self._peer)


def follow_log(router: Router, tunnels: Iterable[Tunnel], over: Callable[[], bool], say: Say) -> None:
    """Say what charon says about some tunnels until it is `over`.

    Raises what a router raises.
    """
    logs = {tunnel.name: TunnelLog(tunnel) for tunnel in tunnels}
    router.vici.subscribe("log")
    while not over():
        event = router.vici.next_event(bounds.LOG_TICK)
        for name, log in logs.items():
            for text in log.take(event[1]) if event is not None else ():
                say(Words(datetime.now(UTC), router.name, name, redacted(text)))
