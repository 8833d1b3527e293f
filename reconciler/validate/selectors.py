"""The traffic selectors of a router: unambiguous, and one tunnel for each VIP and peer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypedDict

from reconciler.model.bounds import (
    MOST_CHILDREN,
    MOST_PAIRS,
    MOST_PAIRS_OF_ROUTER,
    MOST_PAIRS_OF_TUNNEL,
    PAIRS_OF_END,
)
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import DesiredRouter, Tunnel
from reconciler.model.listing import counted
from reconciler.validate.catalog import Catalog, Item, by_name
from reconciler.validate.networks import and_more, not_unicast
from reconciler.validate.overlaps import Overlap, overlaps_before, overlaps_with
from schemas.addresses import Interval, parse_cidr
from schemas.base import MOST_SELECTORS
from schemas.router import VpcRouterSpec
from schemas.tunnel import PeerSpec, TunnelEndSpec


@dataclass(frozen=True, slots=True)
class _Block:
    """One CIDR of a router: a network it is attached to, or a peer CIDR of one of its tunnels."""

    item: Item[VpcRouterSpec] | Item[TunnelEndSpec]
    path: tuple[str | int, ...]
    cidr: str
    words: str


@dataclass(frozen=True, slots=True)
class _End:
    """A tunnel end, with the networks behind its peer."""

    item: Item[TunnelEndSpec]
    peer_cidrs: tuple[str, ...]


_OF_NETWORKS = " of a source and a peer network"


class _Places(TypedDict):
    related: tuple[Location, ...]
    more_related: int


def check_selectors(
    catalog: Catalog,
    routers: Mapping[str, DesiredRouter],
    tunnels: Mapping[str, Tunnel],
    peers: Mapping[str, PeerSpec],
    found: Diagnostics,
) -> None:
    """Networks, peer CIDRs and peers of each router against one another. Each network and each peer CIDR
    has a bounded number of findings, however many others it overlaps."""
    few = _check_pairs(catalog, tunnels, found)
    ends_at: dict[str, list[_End]] = {}
    for item in by_name(catalog.tunnels):
        if item.name in peers:
            end = _End(item, peers[item.name].cidrs)
            ends_at.setdefault(item.spec.router, []).append(end)
            _check_unicast(end, found)
    for name in sorted(routers):
        networks = list(_networks(catalog.routers[name], routers[name]))
        _check_networks(networks, found)
        ends = ends_at.get(name, [])
        _check_against_networks(list(_peers(ends)), networks, found)
        for end in ends:
            if len(end.peer_cidrs) > 1:
                _check_within(list(_peers([end])), found)
        if few:
            _check_ambiguous(ends, tunnels, found)
    _check_unique_peers(catalog, tunnels, found)
    if not found.error_count:
        # A tunnel that has errors may be the one that is missed.
        _check_transit(catalog, tunnels, found)


def _check_pairs(catalog: Catalog, tunnels: Mapping[str, Tunnel], found: Diagnostics) -> bool:
    """True when the pairs of networks that tunnels carry are no more than each of them, their router and the
    fabric may have. What is too much for one counts no further."""
    few = True
    most_in_all = max(MOST_PAIRS, PAIRS_OF_END * len(tunnels))
    total: Counter[str] = Counter()
    of_fabric = 0
    for name in sorted(tunnels):
        tunnel = tunnels[name]
        pairs = len(tunnel.local_cidrs) * len(tunnel.peer_cidrs)
        children = tunnel.ike.version == 1
        most = MOST_CHILDREN if children else MOST_PAIRS_OF_TUNNEL
        problem, where = "", ("peer", "cidrs")
        if len(tunnel.local_cidrs) > MOST_SELECTORS:
            problem = (
                f"this end has {counted(len(tunnel.local_cidrs), 'network')}; at most {MOST_SELECTORS} are "
                f"supported "
                "(RFC 7296, section 3.13)"
            )
            where = ("source", "networks")
        elif len(tunnel.peer_cidrs) > MOST_SELECTORS:
            # That is said where they come from: the list of a document is bounded by its schema.
            few = False
            continue
        elif pairs > most:
            kind = " with IKEv1, which needs an SA for each" if children else ""
            carried = f"the tunnel carries {counted(pairs, 'pair')}{_OF_NETWORKS}"
            problem = f"{carried}; at most {most:,} are supported{kind}"
        elif (of_router := total[tunnel.router] + pairs) > MOST_PAIRS_OF_ROUTER:
            problem = (
                f"with this tunnel, and those whose names sort before it, the router {tunnel.router!r} has "
                f"{counted(of_router, 'pair')}{_OF_NETWORKS}; at most {MOST_PAIRS_OF_ROUTER:,} are supported"
            )
        elif (of_all := of_fabric + pairs) > most_in_all:
            problem = (
                f"with this tunnel, and those whose names sort before it, there are {counted(of_all, 'pair')}"
                f"{_OF_NETWORKS}; at most {most_in_all:,} are supported"
            )
        if problem:
            few = False
            catalog.tunnels[name].error(
                found, "too-many-pairs", problem, *where, hint="name fewer and wider networks"
            )
        else:
            total[tunnel.router] += pairs
            of_fabric += pairs
    return few


def _check_unicast(end: _End, found: Diagnostics) -> None:
    for index, cidr in enumerate(end.peer_cidrs):
        problem = not_unicast(parse_cidr(cidr))
        if problem:
            end.item.error(
                found,
                "peer-cidr-not-unicast",
                f"{cidr} {problem}; a tunnel carries only unicast traffic between networks",
                "peer",
                "cidrs",
                index,
            )


def _networks(item: Item[VpcRouterSpec], router: DesiredRouter) -> Iterator[_Block]:
    if router.management_cidr is not None:
        yield _Block(item, ("managementNetwork",), router.management_cidr, "the management network")
    for index, part in enumerate(router.public):
        yield _Block(
            item, ("publicNetworks", index, "network"), part.cidr, f"the public network {part.network!r}"
        )
    for index, part in enumerate(router.vpc):
        yield _Block(item, ("vpcNetworks", index, "network"), part.cidr, f"the VPC network {part.network!r}")


def _peers(ends: list[_End]) -> Iterator[_Block]:
    for end in ends:
        words = f"a peer CIDR of the tunnel {end.item.name!r}"
        for index, cidr in enumerate(end.peer_cidrs):
            yield _Block(end.item, ("peer", "cidrs", index), cidr, words)


def _check_networks(networks: list[_Block], found: Diagnostics) -> None:
    # What is attached twice is reported as such.
    once = list({block.words: block for block in reversed(networks)}.values())[::-1]
    for overlap in overlaps_before(_intervals(once)):
        block, other = once[overlap.index], once[overlap.others[0]]
        what = f"{block.words} ({block.cidr}) overlaps {other.words} ({other.cidr})"
        more = and_more(overlap.more, "network")
        said = f"{what}{more} of the same router"
        block.item.error(found, "network-overlap", said, *block.path, **_places(once, overlap, found))


def _check_against_networks(peers: list[_Block], networks: list[_Block], found: Diagnostics) -> None:
    for overlap in overlaps_with(_intervals(peers), _intervals(networks)):
        block, other = peers[overlap.index], networks[overlap.others[0]]
        what = f"the peer CIDR {block.cidr} overlaps {other.words} ({other.cidr})"
        said = f"{what}{and_more(overlap.more, 'network')} of the router {other.item.name!r}"
        block.item.error(found, "peer-cidr-overlap", said, *block.path, **_places(networks, overlap, found))


def _check_within(peers: list[_Block], found: Diagnostics) -> None:
    for overlap in overlaps_before(_intervals(peers)):
        block, other = peers[overlap.index], peers[overlap.others[0]]
        what = f"the peer CIDR {block.cidr} overlaps {other.cidr}{and_more(overlap.more, 'peer CIDR')}"
        said = f"{what} of the same tunnel"
        block.item.error(found, "peer-cidr-overlap", said, *block.path, **_places(peers, overlap, found))


def _check_ambiguous(ends: list[_End], tunnels: Mapping[str, Tunnel], found: Diagnostics) -> None:
    """Tunnels with a source network in common whose peer CIDRs overlap: one finding for each tunnel that
    comes after others, at the peer CIDR that overlaps the most of theirs."""
    there = [(end, tunnels[end.item.name]) for end in ends if end.item.name in tunnels]
    widest = _widest({source for _, tunnel in there for source in tunnel.local_cidrs})
    by_source: dict[str, list[_Block]] = {}
    for end, tunnel in there:
        blocks = list(_peers([end]))
        for source in dict.fromkeys(widest[source] for source in tunnel.local_cidrs):
            by_source.setdefault(source, []).extend(blocks)
    worst: dict[str, tuple[Overlap, list[_Block]]] = {}
    for blocks in by_source.values():
        for overlap in overlaps_before(_intervals(blocks), [block.item.name for block in blocks]):
            name = blocks[overlap.index].item.name
            if name not in worst or overlap.count > worst[name][0].count:
                worst[name] = overlap, blocks
    for overlap, blocks in worst.values():
        block, other = blocks[overlap.index], blocks[overlap.others[0]]
        said = (
            f"traffic to {block.cidr} may go through this tunnel or through {other.item.name!r} "
            f"({other.cidr}){and_more(overlap.more, 'peer CIDR')}: their sources overlap too"
        )
        block.item.error(found, "ambiguous-tunnels", said, *block.path, **_places(blocks, overlap, found))


def _widest(cidrs: Collection[str]) -> dict[str, str]:
    """Each CIDR -> the widest of them that contains it: of two that overlap, one contains the other."""
    found: dict[str, str] = {}
    widest = ""
    for cidr in sorted(cidrs, key=lambda one: (parse_cidr(one).first, -parse_cidr(one).last)):
        if not widest or parse_cidr(cidr).first > parse_cidr(widest).last:
            widest = cidr
        found[cidr] = widest
    return found


def _check_transit(catalog: Catalog, tunnels: Mapping[str, Tunnel], found: Diagnostics) -> None:
    """What comes through a tunnel for a transit network leaves through another one, which carries it: one
    finding for each tunnel for which that does not hold."""
    passing = {tunnel.router for tunnel in tunnels.values() if tunnel.transit_cidrs}
    carried = {
        (tunnel.router, local, remote)
        for tunnel in tunnels.values()
        if tunnel.router in passing
        for local, remote in product(tunnel.local_cidrs, tunnel.peer_cidrs)
    }
    for name in sorted(tunnels):
        tunnel = tunnels[name]
        stuck = (
            (remote, local)
            for local, remote in product(tunnel.transit_cidrs, tunnel.peer_cidrs)
            if (tunnel.router, remote, local) not in carried
        )
        first = next(stuck, None)
        if first is not None:
            catalog.tunnels[name].error(
                found,
                "transit-one-way",
                f"what comes from {first[0]} for the transit network {first[1]} goes on through no other "
                f"tunnel of the router {tunnel.router!r}{and_more(sum(1 for _ in stuck), 'pair')}",
                "source",
                "transit",
                hint="add the networks of this tunnel's peer to `transit` of the tunnel that leads there",
            )


def _intervals(blocks: list[_Block]) -> list[Interval]:
    return [parse_cidr(block.cidr) for block in blocks]


def _places(others: list[_Block], overlap: Overlap, found: Diagnostics) -> _Places:
    """Where the others of an overlap stand, which is looked for only where it is kept."""
    blocks = [others[index] for index in overlap.others if not found.full]
    return {
        "related": tuple(block.item.at(*block.path) for block in blocks),
        "more_related": overlap.count - len(overlap.others),
    }


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
                hint=f"add its networks to {other!r}, or give it a VIP of its own",
                related=(catalog.tunnels[other].at("peer", "address"),),
            )
