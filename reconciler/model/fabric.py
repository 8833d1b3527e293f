"""The desired state after validation: every reference resolved, every default filled in.

Addresses and CIDRs are canonical strings (`203.0.113.10`, `10.1.0.0/24`, no host bits); tuples are
in the author's order. A Fabric says *what* the repository wants; `reconciler.compile.router` turns it into
one RouterConfig for each router.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import field as dataclass_field
from enum import StrEnum
from typing import Final, Literal, TypeVar

from reconciler.model.diagnostic import Location
from reconciler.model.quoting import is_plain_name
from reconciler.model.router_config import connection_name
from reconciler.model.safety import SafetyPolicy
from schemas.addresses import parse_address
from schemas.keys import KeySource


class IdType(StrEnum):
    """The IKE identification types that the service offers (RFC 7296, section 3.5)."""

    IP = "ip"
    FQDN = "fqdn"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class IkeId:
    """One end's identity. `value` has no type prefix: `203.0.113.10`, `site-a`, `vpn@site-a`."""

    type: IdType
    value: str


@dataclass(frozen=True, slots=True)
class IkePolicy:
    """IKE policy (spec section 3). Algorithms are the service's words, groups are IANA numbers."""

    version: Literal[1, 2]
    integrity: str
    encryption: str
    dh_group: int
    lifetime: int
    """Seconds until the IKE_SA is replaced."""
    dpd_enabled: bool
    dpd_delay: int
    """Seconds between checks whether an idle peer is alive."""
    dpd_action: Literal["restart", "clear", "trap"]


@dataclass(frozen=True, slots=True)
class EspPolicy:
    """IPsec policy (spec section 3). `pfs_group` is an IANA group number, or None for no PFS."""

    integrity: str
    encryption: str
    pfs_group: int | None
    lifetime: int
    """Seconds until the CHILD_SA is replaced."""


@dataclass(frozen=True, slots=True)
class PskRef:
    """Where a pre-shared key is found. It is a reference: the repository never holds the key in the clear."""

    source: KeySource
    name: str
    field: str = ""
    """Which of the values that `name` holds; empty where it holds one."""
    written: str = ""
    """Of an encrypted key in the repository a digest of how it is written: encrypted anew, it is another."""
    sealed: bytes = dataclass_field(default=b"", repr=False, compare=False)
    """The encrypted file that `name` is in the repository."""

    def __str__(self) -> str:
        """As messages show it: what stands in the place of a name may be a key."""
        name, part = (text if is_plain_name(text) else "…" for text in (self.name, self.field))
        return f"{self.source}:{name}{f'#{part}' if part else ''}"


@dataclass(frozen=True, slots=True)
class PublicNetwork:
    """A public IPv4 network with its prefix; VIPs live on it."""

    name: str
    cidr: str
    location: Location


@dataclass(frozen=True, slots=True)
class VpcNetwork:
    """A private network behind a router."""

    name: str
    cidr: str
    location: Location


@dataclass(frozen=True, slots=True)
class Attachment:
    """A router's interface in one network. `address` is the router's own address there."""

    network: str
    cidr: str
    interface: str
    address: str


@dataclass(frozen=True, slots=True)
class DockerAccess:
    """A router in a container: its VICI socket is found through the container's bind mounts."""

    container: str
    vici_socket: str
    """Path of the socket inside the container."""


@dataclass(frozen=True, slots=True)
class SshAccess:
    """A router behind sshd. What is None or empty is left to the user's OpenSSH configuration."""

    host: str
    port: int | None
    user: str | None
    identity_file: str
    """Path of a private key on this machine."""
    host_key: str
    """The router's public key (`ssh-ed25519 AAAA…`); without it the user's known_hosts decide."""
    vici_socket: str
    """Path of the socket on the router."""


VIP_DOCUMENT: Final = "Vip/"
"""What the word for a document of a VIP begins with."""


def tunnel_document(name: str) -> str:
    """The word for a tunnel's document, as the record of VIPs has it."""
    return f"IPsecTunnel/{name}"


@dataclass(frozen=True, slots=True)
class Vip:
    """A virtual IP. `managed` is False for an address that the router has anyway (its system VIP,
    or one declared as provided by others): it is never added by this tool."""

    name: str
    address: str
    prefix_length: int
    public_network: str
    router: str
    interface: str
    managed: bool
    location: Location
    created: bool = False
    """Whether a tunnel creates it, whose document is then the VIP's."""

    @property
    def document(self) -> str:
        """The document that asks for it, as one word."""
        return tunnel_document(self.name) if self.created else f"{VIP_DOCUMENT}{self.name}"


class Mode(StrEnum):
    """What a reconcile run does by itself, from everything to nothing."""

    APPLY = "apply"
    OBSERVE = "observe"
    SUSPEND = "suspend"


@dataclass(frozen=True, slots=True)
class Level:
    """How far reconcile runs go by themselves."""

    mode: Mode = Mode.APPLY
    self_heal: bool = True
    """Whether a difference that no commit made is repaired too."""
    prune: bool = True
    """Whether a tunnel that Git no longer has is removed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The document that a tunnel end shares with its other end."""

    kind: str
    name: str
    end: int = 0
    """Which of the two ends of a connection it is, as they are listed."""
    topology: str = ""
    """The topology that has the connection; empty where the connection has a document of its own."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the service probes behind an unmanaged peer."""

    target: str
    interval: float | None = None
    """Seconds between two rounds; None for the service's own."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One end of a tunnel, at one router that we manage."""

    name: str
    description: str
    router: str
    vip: Vip
    peer_address: str
    local_cidrs: tuple[str, ...]
    peer_cidrs: tuple[str, ...]
    local_id: IkeId
    peer_id: IkeId
    psk: PskRef
    ike: IkePolicy
    esp: EspPolicy
    enabled: bool
    location: Location
    transit_cidrs: tuple[str, ...] = ()
    """Those of `local_cidrs` that are behind other tunnels of the router."""
    other_end: str | None = None
    """Name of the tunnel that is this one's other end, when that end is managed too."""
    unmanaged: bool = False
    """Whether the document says that the other end is managed elsewhere."""
    previous_names: tuple[str, ...] = ()
    """What runs on the router under one of these names is this tunnel."""
    adopts: str = ""
    """A foreign connection on the router: what runs by it is this tunnel."""
    reconnect: str = ""
    """A new value asks for the tunnel to be taken down and up once."""
    protected: bool = False
    """Whether a plan that destroys it is refused."""
    redundancy_group: str = ""
    """Of the tunnels with one name here at most one is interrupted at once."""
    level: Level = Level()
    origin: Origin | None = None
    """The document of both ends; None where the end has a document of its own."""
    probe: Probe | None = None
    """None for a managed pair, which is probed anyway, and where no document names a target."""
    labels: Mapping[str, str] = dataclass_field(default_factory=dict, hash=False)
    """Those of its document, and of its router where that document does not have their keys."""
    group_by_default: bool = False
    """Whether no document chose the DH group of its IKE policy."""

    @property
    def initiates(self) -> bool:
        """Whether this end brings the tunnel up where both could: of a managed pair the end with the lower
        address. Both ends know both addresses, and a router knows them without tunnelwright; a name may
        change at one end alone. Two ends that initiate at once leave two SAs of one tunnel."""
        return self.other_end is None or parse_address(self.vip.address) < parse_address(self.peer_address)

    @property
    def connections(self) -> tuple[str, ...]:
        """The connections by which it may run: its own, those of previous names, and one that it adopts."""
        names = map(connection_name, (self.name, *self.previous_names))
        return (*names, self.adopts) if self.adopts else tuple(names)


@dataclass(frozen=True, slots=True)
class DesiredRouter:
    """A vRouter that we manage."""

    name: str
    access: DockerAccess | SshAccess
    management_cidr: str | None
    public: tuple[Attachment, ...]
    vpc: tuple[Attachment, ...]
    mss: int
    """TCP maximum segment size for traffic through its tunnels, in bytes."""
    give_up_after: int
    """Seconds without an answer after which charon gives up a request."""
    location: Location
    level: Level = Level()
    previous_names: tuple[str, ...] = ()
    """Names that the same router had before."""
    labels: Mapping[str, str] = dataclass_field(default_factory=dict, hash=False)


_Placed = TypeVar("_Placed", Vip, Tunnel)


@dataclass(frozen=True, slots=True)
class Fabric:
    """Everything that one revision of the repository desires. Keys are names."""

    public_networks: Mapping[str, PublicNetwork] = field(default_factory=dict)
    vpc_networks: Mapping[str, VpcNetwork] = field(default_factory=dict)
    routers: Mapping[str, DesiredRouter] = field(default_factory=dict)
    vips: Mapping[str, Vip] = field(default_factory=dict)
    tunnels: Mapping[str, Tunnel] = field(default_factory=dict)
    safety: SafetyPolicy = field(default_factory=SafetyPolicy)
    """Of the whole fleet."""
    part_safety: tuple[SafetyPolicy, ...] = ()
    """Budgets and windows of the tunnels that they select, which hold besides those of the fleet."""
    fingerprint_key: PskRef | None = None
    """Under which fingerprints of keys are made; None for the controller's own."""
    _tunnels: Mapping[str, tuple[Tunnel, ...]] = field(init=False, repr=False, compare=False)
    _vips: Mapping[str, tuple[Vip, ...]] = field(init=False, repr=False, compare=False)
    _connections: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find once what is on each router: of thousands of routers each is asked for its own."""
        object.__setattr__(self, "_tunnels", _by_router(self.tunnels))
        object.__setattr__(self, "_vips", _by_router(self.vips))
        object.__setattr__(
            self,
            "_connections",
            {
                tunnel.origin.name: name
                for name, tunnel in self.tunnels.items()
                if tunnel.origin is not None and tunnel.initiates
            },
        )

    def tunnels_of(self, router: str) -> tuple[Tunnel, ...]:
        """The tunnels that end at one router, by name."""
        return self._tunnels.get(router, ())

    def tunnel_of(self, word: str) -> str:
        """The name of a tunnel end for that of a connection: of its end that initiates. Any other word, that
        of a tunnel too, as it is."""
        return word if word in self.tunnels else self._connections.get(word, word)

    def ends_of(self, tunnel: str) -> tuple[Tunnel, ...]:
        """The managed ends of a tunnel, the one of that name first; empty where no tunnel has it."""
        named = self.tunnels.get(tunnel)
        if named is None:
            return ()
        other = self.tunnels.get(named.other_end or "")
        return (named,) if other is None else (named, other)

    def vips_of(self, router: str) -> tuple[Vip, ...]:
        """The VIPs of one router, by name."""
        return self._vips.get(router, ())


def _by_router(items: Mapping[str, _Placed]) -> dict[str, tuple[_Placed, ...]]:
    found: dict[str, list[_Placed]] = {}
    for name in sorted(items):
        found.setdefault(items[name].router, []).append(items[name])
    return {router: tuple(there) for router, there in found.items()}


def transits(fabric: Fabric) -> Iterator[tuple[str, int, int]]:
    """Each router through which traffic of others passes, by name: how many pairs of networks carry such
    traffic, and how many there are in all."""
    for router in sorted(fabric.routers):
        tunnels = fabric.tunnels_of(router)
        passing = sum(len(tunnel.transit_cidrs) * len(tunnel.peer_cidrs) for tunnel in tunnels)
        if passing:
            yield router, passing, sum(len(end.local_cidrs) * len(end.peer_cidrs) for end in tunnels)


def probe_addresses(fabric: Fabric, tunnel: Tunnel) -> tuple[str, str] | None:
    """The two routers' own addresses at either side of a managed pair, or None when there are none:
    no host behind an unmanaged peer is known to answer."""
    managed = fabric.ends_of(tunnel.name)
    if len(managed) == 1:
        return None
    ends = [address_inside(fabric, end) for end in managed]
    return (ends[0], ends[1]) if all(ends) else None


def address_inside(fabric: Fabric, tunnel: Tunnel) -> str:
    """The router's own address in one of the networks of a tunnel end; empty where it has none."""
    attached = fabric.routers[tunnel.router].vpc
    return next((there.address for there in attached if there.cidr in tunnel.local_cidrs), "")


def group_of(tunnel: Tunnel) -> str:
    """The name that both ends of a managed pair share: the lesser of the two."""
    return min(tunnel.name, tunnel.other_end or tunnel.name)
