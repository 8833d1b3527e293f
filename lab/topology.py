"""From a Fabric to the containers, bridges and addresses of its lab. Pure: nothing is started here.

The lab has one container for each managed router, one host for each VPC network, one bystander on
each public network (an observer that is no part of any tunnel, and the routers' default gateway), and
one *wire* whose network namespace holds a bridge for each network.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Attachment, DesiredRouter, Fabric, Tunnel

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
PREFERRED_HOST = 10
WAN, LAN = "wan", "lan"


class LabRefused(TunnelwrightError):
    """The lab cannot be built from this Fabric, or not under this name."""


class Role(StrEnum):
    """What a container of the lab is for."""

    ROUTER = "router"
    HOST = "host"
    BYSTANDER = "bystander"
    WIRE = "wire"


RELEASES = ("trixie", "bookworm")
"""Debian releases that a router of the lab can be made of: strongSwan 6.0.1 and 5.9.8."""
DEFAULT_RELEASE = RELEASES[0]


@dataclass(frozen=True, slots=True)
class Port:
    """One interface of one container, plugged into one bridge. Addresses are `a.b.c.d/len`."""

    bridge: str
    network: str
    interface: str
    addresses: tuple[str, ...]
    wire_name: str
    """Name of the other end of the veth pair, in the wire (at most 15 bytes: IFNAMSIZ)."""

    @property
    def address(self) -> str:
        """The first address, without its prefix length."""
        return self.addresses[0].partition("/")[0]


@dataclass(frozen=True, slots=True)
class Route:
    """A static route of a container."""

    destination: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Node:
    """One container: `name` is the router's, or the network's that a host stands in."""

    role: Role
    name: str
    ports: tuple[Port, ...]
    routes: tuple[Route, ...] = ()
    nat_cidrs: tuple[str, ...] = ()
    """Router only: networks whose traffic its own source NAT translates."""
    nat_interfaces: tuple[str, ...] = ()
    """Router only: interfaces towards those networks, where nothing is translated."""
    release: str = DEFAULT_RELEASE
    """The Debian release whose strongSwan it has."""

    def port_in(self, network: str) -> Port:
        """The node's port in one network, by the network's name. Raises `LabRefused`."""
        for port in self.ports:
            if port.network == network:
                return port
        raise LabRefused(f"{self.role} {self.name} has no port in the network {network}")


@dataclass(frozen=True, slots=True)
class Flow:
    """Two hosts that one pair of CIDRs of one tunnel connects, when both its ends are managed.

    `left` and `right` are the tunnel's two ends; `left_host` and `right_host` name VPC networks.
    """

    left: Tunnel
    right: Tunnel
    left_host: str
    right_host: str
    left_address: str
    right_address: str

    @property
    def label(self) -> str:
        """`tunnel: address <-> address`, for people."""
        return f"{self.left.name}: {self.left_address} <-> {self.right_address}"


@dataclass(frozen=True, slots=True)
class Topology:
    """All of a lab. `bridges` maps a network's kind and name to its bridge in the wire."""

    bridges: tuple[tuple[str, str, str], ...]
    """(kind, network, bridge): kind is `wan` or `lan`."""
    nodes: tuple[Node, ...]

    @property
    def digest(self) -> str:
        """Equal for equal labs: 16 hexadecimal digits, kept as a label on every container."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def node(self, role: Role, name: str) -> Node:
        """One node by role and name. Raises `LabRefused` when the lab has no such node."""
        for node in self.nodes:
            if node.role is role and node.name == name:
                return node
        known = ", ".join(sorted(n.name for n in self.nodes if n.role is role)) or "none"
        raise LabRefused(f"the lab has no {role} {name}", hint=f"there are: {known}")

    def bridge(self, kind: str, network: str) -> str:
        """The bridge of one network. Raises `LabRefused` when the lab has no such network."""
        for this_kind, this_network, bridge in self.bridges:
            if (this_kind, this_network) == (kind, network):
                return bridge
        raise LabRefused(f"the lab has no {kind} network {network}")

    def networks(self, kind: str) -> tuple[str, ...]:
        """Names of the networks of one kind, sorted."""
        return tuple(network for this_kind, network, _ in self.bridges if this_kind == kind)


def container_name(lab: str, role: Role, name: str) -> str:
    """`tw-<lab>-<role>-<name>`, the container's name at the engine."""
    return f"tw-{lab}-{role}-{name}"


def check_lab_name(lab: str) -> str:
    """The name itself. Raises `LabRefused`: it becomes part of container names and paths."""
    if not NAME.fullmatch(lab):
        raise LabRefused(
            f"{lab!r} cannot name a lab",
            hint="1 to 32 of a-z, 0-9 and '-', with a letter or digit first and last",
        )
    return lab


def free_address(cidr: str, taken: Iterable[str], *, from_end: bool = False) -> str:
    """A free address of the network: the tenth or the next after it, else any.

    With `from_end` the search starts at the last usable address. Raises `LabRefused` when the
    network is full.
    """
    network = IPv4Network(cidr)
    occupied = {IPv4Address(address) for address in taken}
    first, last = int(network.network_address) + 1, int(network.broadcast_address) - 1
    numbers: Iterator[int]
    if from_end:
        numbers = iter(range(last, first - 1, -1))
    else:
        start = min(first + PREFERRED_HOST - 1, last)
        numbers = iter((*range(start, min(start + 1024, last + 1)), *range(first, min(start, first + 1024))))
    for number in numbers:
        if IPv4Address(number) not in occupied:
            return str(IPv4Address(number))
    raise LabRefused(f"there is no free address in {cidr} for a host of the lab")


def topology_of(fabric: Fabric, releases: Mapping[str, str] | None = None) -> Topology:
    """The lab of a Fabric. Equal Fabrics give equal topologies, whatever order their maps have.

    `releases` gives routers another Debian release than the default one. Raises `LabRefused` for a router or
    a release that there is not, and when a network has no address left for a host.
    """
    chosen = releases or {}
    _check_releases(fabric, chosen)
    used_public = {a.network for r in fabric.routers.values() for a in r.public}
    used_vpc = {a.network for r in fabric.routers.values() for a in r.vpc}
    bridges = tuple(
        (kind, network, f"{kind}{index}")
        for kind, names in ((WAN, used_public), (LAN, used_vpc))
        for index, network in enumerate(sorted(names))
    )
    plug = _Plugs(bridges)
    bystanders = {
        network: free_address(
            fabric.public_networks[network].cidr, _taken_public(fabric, network), from_end=True
        )
        for network in sorted(used_public)
    }
    nodes = [
        replace(
            _router(fabric, fabric.routers[name], bystanders, plug), release=chosen.get(name, DEFAULT_RELEASE)
        )
        for name in sorted(fabric.routers)
    ]
    for network in sorted(used_vpc):
        nodes.append(_host(fabric, network, plug))
    for network, address in bystanders.items():
        prefix = fabric.public_networks[network].cidr.partition("/")[2]
        port = plug.port(WAN, network, "eth0", (f"{address}/{prefix}",))
        nodes.append(Node(Role.BYSTANDER, network, (port,)))
    return Topology(bridges, tuple(nodes))


def _check_releases(fabric: Fabric, releases: Mapping[str, str]) -> None:
    for router, release in releases.items():
        if router not in fabric.routers:
            known = ", ".join(sorted(fabric.routers))
            raise LabRefused(f"there is no router {router!r}", hint=f"there are: {known}")
        if release not in RELEASES:
            raise LabRefused(
                f"there is no lab router image for {release!r}", hint=f"there are: {', '.join(RELEASES)}"
            )


def flows_of(fabric: Fabric, topology: Topology) -> tuple[Flow, ...]:
    """Every host pair that an enabled tunnel with two managed ends must connect, each once."""
    flows = []
    for name in sorted(fabric.tunnels):
        left = fabric.tunnels[name]
        if left.other_end is None or left.other_end < name or left.other_end not in fabric.tunnels:
            continue
        right = fabric.tunnels[left.other_end]
        if not (left.enabled and right.enabled):
            continue
        for local in left.local_cidrs:
            for remote in left.peer_cidrs:
                ends = (
                    _host_in(fabric, topology, left.router, local),
                    _host_in(fabric, topology, right.router, remote),
                )
                if ends[0] and ends[1]:
                    flows.append(Flow(left, right, ends[0][0], ends[1][0], ends[0][1], ends[1][1]))
    return tuple(flows)


class _Plugs:
    """Hands out ports with wire names that are unique in the lab."""

    def __init__(self, bridges: tuple[tuple[str, str, str], ...]) -> None:
        self._bridges = {(kind, network): bridge for kind, network, bridge in bridges}
        self._count = 0

    def port(self, kind: str, network: str, interface: str, addresses: tuple[str, ...]) -> Port:
        self._count += 1
        return Port(self._bridges[kind, network], network, interface, addresses, f"p{self._count}")


def _taken_public(fabric: Fabric, network: str) -> list[str]:
    taken = [a.address for r in fabric.routers.values() for a in r.public if a.network == network]
    taken += [v.address for v in fabric.vips.values() if v.public_network == network]
    taken += [t.peer_address for t in fabric.tunnels.values()]
    return taken


def _with_prefix(attachment: Attachment) -> str:
    return f"{attachment.address}/{attachment.cidr.partition('/')[2]}"


def _router(fabric: Fabric, router: DesiredRouter, bystanders: dict[str, str], plug: _Plugs) -> Node:
    ports = []
    for attachment in router.public:
        # VIPs that this tool does not manage are there already on a real router; the others are its work.
        given = tuple(
            f"{vip.address}/{vip.prefix_length}"
            for vip in fabric.vips_of(router.name)
            if not vip.managed
            and vip.public_network == attachment.network
            and vip.address != attachment.address
        )
        ports.append(
            plug.port(WAN, attachment.network, attachment.interface, (_with_prefix(attachment), *given))
        )
    ports += [plug.port(LAN, a.network, a.interface, (_with_prefix(a),)) for a in router.vpc]
    # The default route makes a leak possible: without it a packet that misses its tunnel has nowhere to go.
    routes = (Route("default", bystanders[router.public[0].network]),) if router.public else ()
    return Node(
        Role.ROUTER,
        router.name,
        tuple(ports),
        routes,
        nat_cidrs=tuple(a.cidr for a in router.vpc),
        nat_interfaces=tuple(a.interface for a in router.vpc),
    )


def _host(fabric: Fabric, network: str, plug: _Plugs) -> Node:
    gateways = {
        router.name: attachment
        for router in (fabric.routers[name] for name in sorted(fabric.routers))
        for attachment in router.vpc
        if attachment.network == network
    }
    first = next(iter(gateways.values()))
    address = free_address(first.cidr, [a.address for a in gateways.values()])
    routes = {"default": first.address}
    for name, attachment in gateways.items():
        for tunnel in fabric.tunnels_of(name):
            # With several routers in one network, each peer CIDR goes to the router of its tunnel.
            if attachment is not first and attachment.cidr in tunnel.local_cidrs:
                routes.update(dict.fromkeys(tunnel.peer_cidrs, attachment.address))
    prefix = first.cidr.partition("/")[2]
    port = plug.port(LAN, network, "eth0", (f"{address}/{prefix}",))
    return Node(Role.HOST, network, (port,), tuple(Route(d, g) for d, g in routes.items()))


def _host_in(fabric: Fabric, topology: Topology, router: str, cidr: str) -> tuple[str, str] | None:
    """(network, address) of the first host that the router reaches and that lies in the CIDR."""
    for attachment in fabric.routers[router].vpc:
        host = topology.node(Role.HOST, attachment.network)
        address = host.port_in(attachment.network).address
        if IPv4Address(address) in IPv4Network(cidr):
            return attachment.network, address
    return None
