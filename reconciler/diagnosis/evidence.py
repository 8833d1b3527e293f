"""The evidence about one tunnel: its managed ends, and the attempts between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.fabric import Tunnel
from reconciler.model.plan import HeldAddress, ResourceChange
from reconciler.model.router_config import ChildSa, Connection, IkeSa, RouterState


@dataclass(frozen=True, slots=True)
class ForeignChild:
    """A child configuration in charon that is not ours. Selectors are CIDRs, ranges or `dynamic`."""

    connection: str
    child: str
    local_ts: tuple[str, ...]
    remote_ts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where the kernel would send a packet from behind the router into the tunnel (`ip route get`).

    `type` is empty for unicast; `failure` is the kernel's refusal, empty when there is a route.
    """

    source: str
    destination: str
    device: str = ""
    type: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """One managed end. Without a `state` its router could not be observed, and `unreachable` says why."""

    tunnel: Tunnel
    connection: Connection | None
    """What is desired in charon; None while the tunnel is disabled."""
    state: RouterState | None
    unreachable: str = ""
    drift: tuple[ResourceChange, ...] = ()
    """What a plan would change at this router for this tunnel, or for the router as a whole."""
    sas: tuple[IkeSa, ...] = ()
    """Its SAs after everything was tried."""
    holders: tuple[HeldAddress, ...] = ()
    """Where in the fleet its local address is."""
    foreign: tuple[ForeignChild, ...] = ()
    ruleset: tuple[Mapping[str, Any], ...] = ()
    """The entries of `nft -j list ruleset`."""
    routes: tuple[Route, ...] = ()
    inside: Mapping[str, str] = field(default_factory=dict)
    """Local CIDR to the router's interface there."""
    half_open: tuple[IkeSa, ...] = ()
    """IKE_SAs that the peer has begun and that have no connection yet, once ours was tried and is down."""
    neighbors: Mapping[str, str] = field(default_factory=dict)
    """IPv4 address to the Ethernet address that packets for it are sent to."""
    ethernet: frozenset[str] = frozenset()
    """The Ethernet addresses of the router's own interfaces."""
    clock_ahead: int = 0
    """Seconds by which the router's clock is ahead of ours, as far as that is certain; negative: behind."""
    said: tuple[str, ...] = ()
    """charon's log of this tunnel at level 1 while it was tried to bring it up, oldest first."""
    said_rekeying: tuple[str, ...] = ()

    @property
    def up(self) -> bool:
        """True when it is enabled and no CHILD_SA is missing."""
        return self.connection is not None and not self.missing

    @property
    def children(self) -> tuple[ChildSa, ...]:
        """The CHILD_SAs that carry traffic."""
        return tuple(child for sa in self.sas for child in sa.children if child.installed)

    @property
    def encapsulated(self) -> bool:
        """True when its ESP goes in UDP, since a NAT was detected."""
        return any(child.encapsulated for child in self.children)

    @property
    def missing(self) -> tuple[str, ...]:
        """Desired children without a CHILD_SA."""
        wanted = self.connection.children if self.connection is not None else ()
        return tuple(sorted(set(wanted) - {child.name for child in self.children}))


@dataclass(frozen=True, slots=True)
class LostSizes:
    """Packets through the tunnel that may not be fragmented: IPv4 packets of `lost` bytes are lost without
    an ICMP error, those of `passing` bytes arrive."""

    passing: int
    lost: int
    there: bool
    """Whether they are lost from this end to the other one, as its counters show."""
    back: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """Echo requests through the tunnel from the router of `this_end` to that of `other_end`, and by how many
    packets the CHILD_SAs' counters grew during that time at either end. Without another end, to what answers
    behind the peer; nothing is counted there then."""

    sent: int
    received: int
    this_out: int
    other_in: int
    other_out: int
    this_in: int

    @property
    def whole(self) -> bool:
        """True when every request was answered through the tunnel."""
        return self.received == self.sent and self.this_in >= self.received


@dataclass(frozen=True, slots=True)
class Evidence:
    """One tunnel. `this_end` is the end that initiates; `other_end` is None where the peer is not managed."""

    this_end: End
    other_end: End | None
    failure: str = ""
    """Why charon did not bring it up when asked; empty when it did, or was up already."""
    flow: Flow | None = None
    """None when the tunnel is not up, or no address behind the peer is known to answer."""
    lost_sizes: LostSizes | None = None
    """None where no size is lost, and where none was tried."""
    rekey_failure: str = ""

    @property
    def carries(self) -> bool:
        """True when echo requests were sent through the tunnel, and all of them were answered."""
        return self.flow is not None and self.flow.whole

    @property
    def ends(self) -> tuple[End, ...]:
        """The managed ends."""
        return (self.this_end,) if self.other_end is None else (self.this_end, self.other_end)

    @property
    def enabled(self) -> tuple[End, ...]:
        """The managed ends that should carry traffic."""
        return tuple(end for end in self.ends if end.connection is not None)
