"""What a router carries: traffic selectors that are unambiguous, and one tunnel for each VIP and peer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import Router, Tunnel
from reconciler.validate.catalog import Catalog, Item, by_name
from reconciler.validate.overlaps import overlapping
from schemas.addresses import parse_cidr
from schemas.router import VpcRouterSpec
from schemas.tunnel import IPsecTunnelSpec

_MULTICAST = parse_cidr("224.0.0.0/4")


@dataclass(frozen=True, slots=True)
class _Block:
    """One CIDR of a router: a network it is attached to, or a peer CIDR of one of its tunnels."""

    item: Item[VpcRouterSpec] | Item[IPsecTunnelSpec]
    path: tuple[str | int, ...]
    cidr: str
    words: str

    @property
    def is_peer(self) -> bool:
        return self.path[0] == "peer"


def check_selectors(
    catalog: Catalog, routers: Mapping[str, Router], tunnels: Mapping[str, Tunnel], found: Diagnostics
) -> None:
    """Networks, peer CIDRs and peers of each router against one another."""
    peers_of: dict[str, list[Item[IPsecTunnelSpec]]] = {}
    for item in by_name(catalog.tunnels):
        peers_of.setdefault(item.spec.router, []).append(item)
        _check_multicast(item, found)
    for name in sorted(routers):
        blocks = [*_networks(catalog.routers[name], routers[name]), *_peers(peers_of.get(name, []))]
        reported: set[tuple[str, str]] = set()
        for left, right in overlapping([parse_cidr(block.cidr) for block in blocks]):
            _report_overlap(blocks[left], blocks[right], tunnels, reported, found)
    _check_unique_peers(catalog, tunnels, found)


def _check_multicast(item: Item[IPsecTunnelSpec], found: Diagnostics) -> None:
    for index, cidr in enumerate(item.spec.peer.cidrs):
        # A wider network, such as 0.0.0.0/0, has unicast addresses too.
        if _MULTICAST.contains(parse_cidr(cidr)) or cidr == "255.255.255.255/32":
            item.error(
                found,
                "peer-cidr-not-unicast",
                f"{cidr} has no unicast addresses; a tunnel carries unicast only",
                "peer",
                "cidrs",
                index,
            )


def _networks(item: Item[VpcRouterSpec], router: Router) -> Iterator[_Block]:
    if router.management_cidr is not None:
        yield _Block(item, ("managementNetwork",), router.management_cidr, "the management network")
    for index, part in enumerate(router.public):
        yield _Block(
            item, ("publicNetworks", index, "network"), part.cidr, f"the public network {part.network!r}"
        )
    for index, part in enumerate(router.vpc):
        yield _Block(item, ("vpcNetworks", index, "network"), part.cidr, f"the VPC network {part.network!r}")


def _peers(items: list[Item[IPsecTunnelSpec]]) -> Iterator[_Block]:
    for item in items:
        for index, cidr in enumerate(item.spec.peer.cidrs):
            yield _Block(item, ("peer", "cidrs", index), cidr, f"a peer CIDR of the tunnel {item.name!r}")


def _report_overlap(
    left: _Block,
    right: _Block,
    tunnels: Mapping[str, Tunnel],
    reported: set[tuple[str, str]],
    found: Diagnostics,
) -> None:
    """`left` comes first in the router's order: its networks, then peer CIDRs by tunnel."""
    related = (left.item.at(*left.path),)
    if not right.is_peer:
        if left.words == right.words:
            return  # attached twice, which is reported as such
        right.item.error(
            found,
            "network-overlap",
            f"{right.words} ({right.cidr}) overlaps {left.words} ({left.cidr}) of the same router",
            *right.path,
            related=related,
        )
    elif not left.is_peer or left.item is right.item:
        where = f"{left.words} ({left.cidr})" if not left.is_peer else f"{left.cidr} of the same tunnel"
        router = f" of the router {left.item.name!r}" if not left.is_peer else ""
        right.item.error(
            found,
            "peer-cidr-overlap",
            f"the peer CIDR {right.cidr} overlaps {where}{router}",
            *right.path,
            related=related,
        )
    elif (left.item.name, right.item.name) not in reported:
        ends = tunnels.get(left.item.name), tunnels.get(right.item.name)
        if ends[0] is None or ends[1] is None or not _share_sources(ends[0], ends[1]):
            return
        reported.add((left.item.name, right.item.name))
        right.item.error(
            found,
            "ambiguous-tunnels",
            f"traffic to {right.cidr} may go through this tunnel or through {left.item.name!r} "
            f"({left.cidr}): their sources overlap too",
            *right.path,
            related=related,
        )


def _share_sources(left: Tunnel, right: Tunnel) -> bool:
    return any(
        parse_cidr(one).overlaps(parse_cidr(other)) for one in left.local_cidrs for other in right.local_cidrs
    )


def _check_unique_peers(catalog: Catalog, tunnels: Mapping[str, Tunnel], found: Diagnostics) -> None:
    """One vRouter has one tunnel for each VIP and peer address."""
    first: dict[tuple[str, str, str], str] = {}
    for name in sorted(tunnels):
        tunnel = tunnels[name]
        other = first.setdefault((tunnel.router, tunnel.vip.name, tunnel.peer_address), name)
        if other != name:
            catalog.tunnels[name].error(
                found,
                "duplicate-peer",
                f"the tunnel {other!r} already joins the VIP {tunnel.vip.name!r} and this peer",
                "peer",
                "address",
                related=(catalog.tunnels[other].at("peer", "address"),),
            )
