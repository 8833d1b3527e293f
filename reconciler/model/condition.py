"""The condition of a connection: a tunnel with the ends of it that are managed, two, or one whose peer is
unmanaged. The one place that names what tunnels do, for `status`, the service, its metrics and messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The command line names the states, and `--help` has no use for what these need.
    from reconciler.model.fabric import Tunnel
    from reconciler.model.router_config import ChildSa, IkeSa


class State(StrEnum):
    """What a tunnel does; the worst first."""

    DOWN = "down"
    """An end has none of its CHILD_SAs."""
    SILENT = "up, carrying nothing"
    """Its CHILD_SAs are there, and what is sent through them does not arrive."""
    DEGRADED = "degraded"
    """A part of the CHILD_SAs is missing, only one end holds them, packets are lost, or they take longer than
    they usually do."""
    UNKNOWN = "unknown"
    """A router was not observed; or no packet has shown yet whether the tunnel carries any."""
    UP = "up"
    """Its CHILD_SAs are there, but it is not known whether they carry packets: the service, which probes,
    never says this."""
    CARRYING = "carrying"
    """Packets have arrived."""
    DISABLED = "disabled"

    @property
    def label(self) -> str:
        """One word, for labels of metrics: that of the messages about it."""
        return "carrying-nothing" if self is State.SILENT else self.value


WELL = frozenset({State.UP, State.CARRYING})
"""The states of a tunnel that is there, as far as it was asked."""
IMPAIRED = frozenset({State.SILENT, State.DEGRADED})
"""The states that only packets show."""
TROUBLE = frozenset({State.DOWN, State.SILENT, State.DEGRADED, State.UNKNOWN})
"""The states that need attention."""


@dataclass(frozen=True, slots=True)
class EndCondition:
    """One managed end. `reason` says why it is not up; `drift` how it differs from what Git desires, empty
    for neither."""

    tunnel: Tunnel
    state: State
    reason: str
    drift: str
    running: tuple[IkeSa, ...] = ()
    children: tuple[ChildSa, ...] = ()
    """The CHILD_SAs that decrypt what comes."""

    @property
    def addresses(self) -> tuple[str, str]:
        """The local and the remote address of the newest IKE_SA; without one the desired ones."""
        if not self.running:
            return self.tunnel.vip.address, self.tunnel.peer_address
        sa = self.running[-1]
        return sa.local_address, sa.remote_address

    @property
    def moved(self) -> bool:
        """Whether it runs between other addresses than it should."""
        return self.addresses != (self.tunnel.vip.address, self.tunnel.peer_address)


@dataclass(frozen=True, slots=True)
class LastChange:
    """The last change that a run of the service made to a connection."""

    at: datetime
    commit: str
    author: str
    """Of the commit; empty where the repository does not show it."""


@dataclass(frozen=True, slots=True)
class Carriage:
    """What the service's probes know of one connection, which has the name of its condition."""

    connection: str
    router: str
    """The one that it is probed from."""
    tunnel: str
    """The end there."""
    state: State
    reason: str
    since: datetime
    """When the first of the rounds was that showed this state."""
    at: datetime
    """When the last round was."""
    interval: float = 0.0
    """Seconds until the next one; more than what the settings say where a router's budget allows no less."""
    proven: datetime | None = None
    """When a packet was last known to have arrived."""
    target: str = ""
    """Where echo requests go; empty where there are only the counters of the CHILD_SAs."""
    loss: float | None = None
    """The lost share of the latest echo requests."""
    rtt: float | None = None
    """Seconds of the shortest round trip of the last round that was answered."""
    baseline: float | None = None
    """What it usually is; None until that is known."""


@dataclass(frozen=True, slots=True)
class ConnectionCondition:
    """Both managed ends of a tunnel, or the only one; `name` is the lesser of their names."""

    name: str
    state: State
    reason: str
    ends: tuple[EndCondition, ...]
    carriage: Carriage | None = None
    """What the service knows of it, where it was asked."""
    last_change: LastChange | None = None
    """The last change of it that the service knows."""

    @property
    def drifts(self) -> bool:
        """Whether an end differs from what Git desires."""
        return any(end.drift for end in self.ends)

    @property
    def needs_attention(self) -> bool:
        """Whether it is in trouble, or drifts."""
        return self.state in TROUBLE or self.drifts

    def concerns(self, names: Iterable[str]) -> bool:
        """Whether one of some tunnels or routers is an end of it."""
        ours = {self.name, *(end.tunnel.name for end in self.ends), *(end.tunnel.router for end in self.ends)}
        return not ours.isdisjoint(names)
