"""Where each tunnel end is: its router, VIP and source networks; and with that, where its peer is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import DesiredRouter, Vip
from reconciler.model.suggestion import did_you_mean
from reconciler.validate.catalog import Catalog, Item, by_name
from reconciler.validate.connections import ConnectionEnd
from reconciler.validate.labels import labels_of
from reconciler.validate.vips import system_vip_name
from schemas.tunnel import PeerSpec, TunnelEndSpec


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tunnel end is, as far as that is known."""

    router: DesiredRouter | None = None
    vip: Vip | None = None
    cidrs: tuple[str, ...] | None = None
    """Its source networks, and its transit networks."""
    transit: tuple[str, ...] = ()
    """The latter alone."""


def resolve_places(
    catalog: Catalog, routers: Mapping[str, DesiredRouter], vips: Mapping[str, Vip], found: Diagnostics
) -> dict[str, Place]:
    """Where each tunnel end of the catalog is. What is not known of one is reported."""
    places: dict[str, Place] = {}
    for item in by_name(catalog.tunnels):
        name = item.spec.router
        catalog.find(catalog.routers, "VpcRouter", name, item, "router")
        vip = _vip(catalog, item, vips, found)
        router = routers.get(name)
        cidrs = None if router is None else _source_cidrs(catalog, item, router, found)
        transit = _transit_cidrs(catalog, item, found)
        sources = None if cidrs is None or transit is None else (*cidrs, *transit)
        places[item.name] = Place(router, vip, sources, transit or ())
    return places


def resolve_peers(catalog: Catalog, places: Mapping[str, Place]) -> dict[str, PeerSpec]:
    """The peer of each tunnel end: as its document says, or where the other end of its connection is. One of
    a connection whose other end is not known in full is left out."""
    peers: dict[str, PeerSpec] = {}
    for name, item in catalog.tunnels.items():
        if item.spec.peer is not None:
            peers[name] = item.spec.peer
        elif isinstance(item.places, ConnectionEnd):
            far = places.get(item.places.other, Place())
            if far.router is not None and far.vip is not None and far.cidrs is not None:
                peers[name] = PeerSpec.model_construct(address=far.vip.address, managed=None, cidrs=far.cidrs)
    return peers


def labels_of_ends(
    catalog: Catalog, places: Mapping[str, Place], peers: Mapping[str, PeerSpec]
) -> dict[str, tuple[Mapping[str, str], ...]]:
    """Tunnel end -> its labels, and those of its managed other end."""
    own = {name: labels_of(catalog, item) for name, item in catalog.tunnels.items()}
    by_addresses = {
        (place.vip.address, peers[name].address): name
        for name, place in sorted(places.items())
        if place.vip is not None and name in peers
    }
    found: dict[str, tuple[Mapping[str, str], ...]] = {}
    for name, item in catalog.tunnels.items():
        vip, peer = places[name].vip, peers.get(name)
        other = item.places.other if isinstance(item.places, ConnectionEnd) else None
        if other is None and vip is not None and peer is not None:
            other = by_addresses.get((peer.address, vip.address))
        found[name] = (own[name],) if other is None else (own[name], own[other])
    return found


def _vip(
    catalog: Catalog, item: Item[TunnelEndSpec], vips: Mapping[str, Vip], found: Diagnostics
) -> Vip | None:
    """The tunnel's VIP; None when it is not known. It is on the tunnel's own router."""
    choice = item.spec.vip
    if choice.system:
        return vips.get(system_vip_name(item.spec.router))
    if choice.name is None:
        return vips.get(item.name)
    named = catalog.tunnels.get(choice.name)
    created = named is not None and named.spec.vip.create is not None
    if not created and catalog.find(catalog.vips, "Vip", choice.name, item, "vip", "name") is None:
        return None
    vip = vips.get(choice.name)
    if vip is not None and item.spec.router not in catalog.routers:
        # Whose VIP it is matters once the router is known.
        return None
    if vip is not None and vip.router != item.spec.router:
        item.error(
            found,
            "vip-of-other-router",
            f"the VIP {vip.name!r} is on the router {vip.router!r}, the tunnel on {item.spec.router!r}",
            "vip",
            "name",
            related=(vip.location,),
        )
        return None
    return vip


def _source_cidrs(
    catalog: Catalog, item: Item[TunnelEndSpec], router: DesiredRouter, found: Diagnostics
) -> tuple[str, ...] | None:
    """The tunnel's source CIDRs; None when a network is not known or none is chosen."""
    attached = {part.network: part.cidr for part in router.vpc}
    networks = None if item.spec.source is None else item.spec.source.networks
    if networks is None:
        if len(attached) == 1:
            return tuple(attached.values())
        item.error(
            found,
            "source-not-chosen",
            f"the router {router.name!r} has {len(attached)} VPC networks, so the source is ambiguous",
            "source",
            allowed=", ".join(attached),
            hint="name the networks: `source: {networks: [...]}`" if attached else "attach a VPC network",
            related=(router.location,),
        )
        return None
    cidrs: list[str] = []
    seen: set[str] = set()
    for index, name in enumerate(networks):
        path = ("source", "networks", index)
        if name in seen:
            item.error(found, "duplicate-value", f"{name!r} is already in the list", *path)
        elif name in attached:
            cidrs.append(attached[name])
        elif catalog.find(catalog.vpc_networks, "VpcNetwork", name, item, *path) is not None:
            item.error(
                found,
                "network-not-attached",
                f"the VPC network {name!r} is not attached to the router {router.name!r}",
                *path,
                allowed="" if found.many else ", ".join(attached),
                hint="" if found.many else did_you_mean(name, attached),
                related=(router.location,),
            )
        seen.add(name)
    return tuple(cidrs) if len(cidrs) == len(networks) else None


def _transit_cidrs(catalog: Catalog, item: Item[TunnelEndSpec], found: Diagnostics) -> tuple[str, ...] | None:
    """The CIDRs of the tunnel's transit networks; None when one is not known or is named twice."""
    names = () if item.spec.source is None else item.spec.source.transit or ()
    cidrs: dict[str, str] = {}
    for index, name in enumerate(names):
        path = ("source", "transit", index)
        if name in cidrs:
            item.error(found, "duplicate-value", f"{name!r} is already in the list", *path)
            continue
        network = catalog.find(catalog.vpc_networks, "VpcNetwork", name, item, *path)
        if network is not None:
            cidrs[name] = network.spec.cidr
    return tuple(cidrs.values()) if len(cidrs) == len(names) else None
