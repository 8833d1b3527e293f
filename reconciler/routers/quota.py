"""How long all answers of one router may take together, in one observation or in one run: a router whose
every answer stays just below its own limit delays no caller for longer than that.

A quota counts the seconds in which answers were waited for, over every connection that was made within it.
The time that a command was given itself (an `initiate` waits for the peer, a ping for its replies) is not
counted, nor is what this program waits for by itself, nor the time of other routers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock

from reconciler.routers.protocol import Connect, Router


@dataclass(slots=True)
class Quota:
    """Seconds of one router, for `what`. From any thread: a lock is renewed beside the work."""

    seconds: float
    what: str
    _spent: float = 0.0
    _counting: Lock = field(default_factory=Lock)

    def spend(self, seconds: float) -> None:
        """So long was an answer waited for."""
        with self._counting:
            self._spent += seconds

    def left(self) -> float:
        """Seconds; none, or fewer, when it is used up."""
        with self._counting:
            return self.seconds - self._spent


Quotas = tuple[Quota, ...]

_in_force: ContextVar[Quotas] = ContextVar("quotas", default=())


def in_force() -> Quotas:
    """The quotas that a connection is to keep to which is made now. It keeps to them as long as it lasts,
    in whichever thread it is used."""
    return _in_force.get()


def within(connect: Connect, seconds: Callable[[str], float], what: str) -> Connect:
    """Connections that keep to one quota for each router, `seconds` of its name; those that `connect` itself
    keeps to hold as well. What uses one up is unreachable from then on, over each of these connections."""
    quotas: dict[str, Quota] = {}

    def limited(name: str) -> Router:
        quota = quotas.setdefault(name, Quota(seconds(name), what))
        before = _in_force.set((*_in_force.get(), quota))
        try:
            return connect(name)
        finally:
            _in_force.reset(before)

    return limited
