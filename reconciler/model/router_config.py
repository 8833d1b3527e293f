"""The desired state of one router (RouterConfig) and its live state (RouterState), in the same form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from reconciler.model.secret import Secret
from reconciler.model.swanctl import Change, Settings
from reconciler.model.way_back import WayBack

PREFIX = "tw-"
"""Connections, secrets and files whose names start so are tunnelwright's; nothing else is touched."""
GIVE_UP_AFTER = 6
"""Seconds without an answer after which charon gives up a request, by default."""

Pair: TypeAlias = tuple[str, str]
"""A (source, destination) pair of canonical IPv4 addresses or CIDRs."""


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A pre-shared key as charon holds it. `id` carries the keyed fingerprint of the key."""

    id: str
    owners: tuple[str, ...]
    """Identities for which charon uses the key, in swanctl notation."""
    secret: Secret


@dataclass(frozen=True, slots=True)
class Connection:
    """One desired connection with what belongs to it. `settings` is swanctl's `connections.<name>`."""

    name: str
    tunnel: str
    settings: Settings
    secret: SharedSecret
    former: tuple[str, ...] = ()
    """Connections by which it may run on the router still: of its previous names, or one that it adopts."""
    reconnect: str = ""
    """The last reconnect that was asked for; the router's file says which was the last one done."""
    protected: bool = False
    """Whether a plan that destroys it is refused; the router's file keeps it in mind."""
    paired: bool = False
    """Whether the other end is managed too; the router's file keeps it in mind."""
    initiates: bool = True
    """Whether this end is the one that brings the tunnel up where both could (`Tunnel.initiates`)."""

    @property
    def children(self) -> tuple[str, ...]:
        """Names of the child configurations."""
        section = self.settings["children"]
        return tuple(section) if isinstance(section, Mapping) else ()


@dataclass(frozen=True, slots=True)
class Firewall:
    """The content of tunnelwright's own nftables table.

    `guarded` holds (local CIDR, peer CIDR), `broadcast` (local CIDR, directed broadcast address of a peer
    CIDR), `peers` (VIP, peer address); `mss` is in bytes. `outside` are interfaces of public networks,
    by which nothing that came out of a tunnel may leave.
    """

    guarded: frozenset[Pair] = frozenset()
    broadcast: frozenset[Pair] = frozenset()
    peers: frozenset[Pair] = frozenset()
    mss: int = 1360
    outside: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An IPv4 address on an interface; `cidr` keeps the host bits (`203.0.113.10/24`)."""

    interface: str
    cidr: str

    @property
    def host(self) -> str:
        """The address without its prefix length."""
        return self.cidr.partition("/")[0]

    @property
    def place(self) -> tuple[str, str]:
        """Its interface, and the address without its prefix length."""
        return self.interface, self.host


@dataclass(frozen=True, slots=True)
class AddressRecord:
    """The router's own record of the VIPs that tunnelwright added to it."""

    owners: Mapping[InterfaceAddress, str] = field(default_factory=dict)
    """VIP -> the document that asked for it (`Vip/web`)."""
    sound: bool = True
    """False where the record has lines of another form, which nothing is known of."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What the fabric as a whole wants of addresses; the same for each of its routers."""

    places: Mapping[tuple[str, str], frozenset[tuple[str, str]]] = field(default_factory=dict)
    """(public network, address) -> the (router, interface) that it belongs to."""
    documents: frozenset[str] = frozenset()
    """The tunnels that there are, by their previous names as well (`IPsecTunnel/a-to-b`): a VIP that one of
    them created belongs to it still, and is not left over from a tunnel that was deleted."""


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file without keys that is tunnelwright's as a whole, as it should be. It belongs to root."""

    content: str
    mode: int
    """Its permission bits."""


@dataclass(frozen=True, slots=True)
class LiveOwnedFile:
    """Such a file as it is: the SHA-256 of its content in hexadecimal, its permission bits, and its owner and
    group as `uid:gid`."""

    digest: str
    mode: int
    owner: str = "0:0"


@dataclass(frozen=True, slots=True)
class Platform:
    """What starts a router, as far as the router itself shows it."""

    systemd: bool = False
    """Whether systemd is its first process (sd_booted(3))."""
    ruleset: str = ""
    """The file that its nftables.service loads; empty where it has no such service."""
    ifupdown: bool = False
    """Whether ifupdown brings interfaces up."""
    networkd: Mapping[str, str] = field(default_factory=dict)
    """Interface that systemd-networkd manages to the name of its .network file."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command asks for, whatever Git says."""

    reconnect: frozenset[str] = frozenset()
    """Tunnels to take down and bring up again."""
    release: frozenset[str] = frozenset()
    """Addresses of VIPs to remove, as far as they are unused."""


NOTHING_ASKED: Final = Asked()


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """Everything that one router should hold."""

    router: str
    connections: Mapping[str, Connection] = field(default_factory=dict)
    files: Mapping[str, Secret] = field(default_factory=dict)
    """Path below /etc/swanctl/conf.d to content; the content holds keys."""
    addresses: Mapping[InterfaceAddress, str] = field(default_factory=dict)
    """VIP -> the document that asks for it (`Vip/web`)."""
    claims: Claims = field(default_factory=Claims)
    networks: Mapping[str, str] = field(default_factory=dict)
    """Interface -> the public network that it is in."""
    firewall: Firewall = field(default_factory=Firewall)
    guards: Mapping[str, Firewall] = field(default_factory=dict)
    """Tunnel to what it alone needs of the firewall."""
    sysctls: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Key (`net/ipv4/ip_forward`) to the values that are allowed."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Tunnel to the name that both ends of a managed pair share."""
    give_up_after: int = GIVE_UP_AFTER
    """Seconds without an answer after which charon gives up a request."""
    asked: Asked = NOTHING_ASKED
    keyless: Mapping[str, str] = field(default_factory=dict)
    """Tunnels whose key could not be had, and why. What is compiled of them has a random key, and is
    in no plan."""


@dataclass(frozen=True, slots=True)
class ChildSa:
    """A CHILD_SA as charon reports it. SPIs are 8 hexadecimal digits; `spi_in` is ours to receive."""

    id: str
    name: str
    state: str
    spi_in: str
    spi_out: str
    protocol: str
    encapsulated: bool
    algorithms: str
    """Negotiated, as swanctl words: `aes256-sha256` or `aes256-sha256-modp2048`."""
    local_ts: tuple[str, ...]
    remote_ts: tuple[str, ...]
    bytes_in: int
    packets_in: int
    bytes_out: int
    packets_out: int
    age: int
    """Seconds since it was installed."""

    @property
    def installed(self) -> bool:
        """Whether it carries traffic and no other one has followed it (child_sa.h, CHILD_INSTALLED)."""
        return self.state == "INSTALLED"

    @property
    def spis(self) -> tuple[str, str]:
        """What this end receives by, and what it sends by."""
        return self.spi_in, self.spi_out

    @property
    def spis_at_peer(self) -> tuple[str, str]:
        """The same of its peer: what one end receives by the other one sends by."""
        return self.spi_out, self.spi_in


@dataclass(frozen=True, slots=True)
class IkeSa:
    """An IKE_SA as charon reports it, with its CHILD_SAs in the order of their ids."""

    id: str
    connection: str
    version: str
    state: str
    local_address: str
    local_id: str
    remote_address: str
    remote_id: str
    initiator: bool
    algorithms: str
    age: int
    """Seconds since it was established."""
    children: tuple[ChildSa, ...]
    busy: bool = False
    """Whether an exchange is under way, or waits its turn, that makes or ends a CHILD_SA."""
    spis: str = ""
    """The SPIs of its initiator and its responder: the same at both ends. Empty if they are unknown."""

    @property
    def ending(self) -> bool:
        """True while a delete is on its way to the peer, or has just come from it."""
        return self.state in {"DELETING", "DESTROYING"}


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A file on the router. `content` may hold keys; `mode` is the permission bits; `says` is what the
    content says, where that is known without reading it."""

    content: Secret
    mode: int
    says: Settings | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A file of a connection that a tunnel adopts; no other connection needs anything in it."""

    path: str
    secret_ids: tuple[str, ...]
    """Its keys."""
    others: tuple[str, ...] = ()
    """Other connections in it, which tunnels adopt as well."""


@dataclass(frozen=True, slots=True)
class LiveFirewall:
    """The table as listed. A side of an element is an address, a CIDR or a range (`first-last`)."""

    guarded: frozenset[Pair]
    broadcast: frozenset[Pair]
    peers: frozenset[Pair]
    rules: tuple[str, ...]
    """Canonical JSON of each chain and rule, counters and handles left out."""
    unlike: tuple[Change, ...] = ()
    """What else is in the table, or is there in another way than this tool loads it: a set of another kind,
    an element with a comment or a timeout."""


@dataclass(frozen=True, slots=True)
class RouterState:
    """Everything that one router holds, as far as it can be observed."""

    router: str
    version: str
    plugins: frozenset[str]
    connections: Mapping[str, Settings]
    """What list-conns reports, in the vocabulary of the desired settings; a subset of the fields."""
    secret_ids: frozenset[str]
    sas: tuple[IkeSa, ...]
    files: Mapping[str, LiveFile]
    addresses: frozenset[InterfaceAddress]
    firewall: LiveFirewall | None
    sysctls: Mapping[str, str]
    foreign_files: Mapping[str, ForeignFile] = field(default_factory=dict)
    """Connection that a tunnel adopts -> the file that would bring it back."""
    record: AddressRecord = field(default_factory=AddressRecord)
    """Which of its addresses tunnelwright added."""
    management: Pair | None = None
    """The router's and the controller's address on the way by which it was read; None where none is known."""
    dropped: int | None = None
    """How many packets the kernel has dropped since its start because their SA was not installed yet; None
    where it does not carry ESP, or does not count."""
    owned: Mapping[str, LiveOwnedFile] = field(default_factory=dict)
    """Path to each file of ours that has no keys."""
    platform: Platform = field(default_factory=Platform)
    way_back: WayBack = field(default_factory=WayBack)
    """Whether it is armed, or has gone back."""

    @property
    def data_plane(self) -> str:
        """`userspace` where kernel-libipsec carries ESP, else `kernel` (XFRM)."""
        return "userspace" if "kernel-libipsec" in self.plugins else "kernel"

    @property
    def holds_back(self) -> bool:
        """Whether its data plane goes by the priority of a CHILD_SA's policies: the kernel's, where that is
        known to carry ESP."""
        return self.data_plane == "kernel" and "kernel-netlink" in self.plugins

    @property
    def speaks_ikev1(self) -> bool:
        """Whether its charon has IKEv1. VICI does not report it: from 6.1.0 on strongSwan is built without
        it by default (its NEWS), and an IKE_SA of IKEv1 shows that this one was not."""
        numbers = re.match(r"(\d{1,9})\.(\d{1,9})", self.version)
        since = tuple(map(int, numbers.groups())) if numbers else (0, 0)
        return since < (6, 1) or any(sa.version == "1" for sa in self.sas)

    def sas_of(self, connection: str) -> tuple[IkeSa, ...]:
        """The IKE_SAs of one connection, oldest first."""
        return tuple(sa for sa in self.sas if sa.connection == connection)

    def installed(self, connection: str) -> tuple[ChildSa, ...]:
        """The CHILD_SAs of one connection that carry traffic and that no other one has followed."""
        return tuple(child for sa in self.sas_of(connection) for child in sa.children if child.installed)


def local_addresses(settings: Settings) -> frozenset[str]:
    """The addresses from which a connection negotiates."""
    found = settings.get("local_addrs")
    return frozenset(found) if isinstance(found, tuple) else frozenset()


def connection_name(tunnel: str) -> str:
    """The name under which a tunnel's connection is loaded."""
    return PREFIX + tunnel
