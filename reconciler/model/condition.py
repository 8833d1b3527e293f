"""The condition of a connection: a tunnel with the ends of it that are managed, two, or one whose peer is
unmanaged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The command line names the states, and `--help` has no use for what these need.
    from reconciler.model.fabric import Tunnel
    from reconciler.model.router_config import ChildSa, IkeSa


class State(StrEnum):
    """What a tunnel does, as far as its SAs and their counters tell; the worst first."""

    DOWN = "down"
    """An end has none of its CHILD_SAs."""
    SILENT = "up, carrying nothing"
    """One end has sent through a CHILD_SA, and the other has decrypted nothing."""
    DEGRADED = "degraded"
    """A part of the CHILD_SAs is missing, or only one end holds them."""
    UNKNOWN = "unknown"
    """A router was not observed."""
    UP = "up"
    DISABLED = "disabled"


TROUBLE = frozenset({State.DOWN, State.SILENT, State.DEGRADED, State.UNKNOWN})
"""The states in which somebody should look."""


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
class ConnectionCondition:
    """Both managed ends of a tunnel, or the only one; `name` is the lesser of their names."""

    name: str
    state: State
    reason: str
    ends: tuple[EndCondition, ...]

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
