"""One tunnel at a time: its router, VIP, source networks, IDs and policy. The peer comes later."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.load import dotted
from reconciler.model.diagnostic import Diagnostics, Severity
from reconciler.model.fabric import DesiredRouter, PskRef, Tunnel, Vip
from reconciler.model.suggestion import did_you_mean
from reconciler.validate.catalog import Catalog, Item, by_name, first
from reconciler.validate.identities import resolve_ids
from reconciler.validate.keys import resolve_key
from reconciler.validate.levels import resolve_level
from reconciler.validate.networks import addresses_without_hosts, not_unicast
from reconciler.validate.placement import previous_names
from reconciler.validate.policies import (
    SERVICE_ESP,
    SERVICE_IKE,
    check_ike,
    report_weak,
    resolve_esp,
    resolve_ike,
)
from reconciler.validate.vips import system_vip_name
from schemas.addresses import Interval, parse_address, parse_cidr
from schemas.tunnel import ADOPTS, RECONNECT, IPsecTunnelSpec


def resolve_tunnels(
    catalog: Catalog, routers: Mapping[str, DesiredRouter], vips: Mapping[str, Vip], found: Diagnostics
) -> dict[str, Tunnel]:
    """Check every tunnel by itself. One with a reference that leads nowhere is left out."""
    defaults = first(catalog.defaults)
    fleet_ike, fleet_esp, severity = SERVICE_IKE, SERVICE_ESP, Severity.WARNING
    if defaults is not None:
        fleet_ike = resolve_ike(defaults.spec.ike, SERVICE_IKE)
        fleet_esp = resolve_esp(defaults.spec.ipsec, SERVICE_ESP)
        severity = Severity.ERROR if defaults.spec.weak_algorithms == "error" else Severity.WARNING
        report_weak(defaults, fleet_esp, severity, found)
    tunnels: dict[str, Tunnel] = {}
    _check_previous_names(catalog, found)
    keys = _keys(catalog, found)
    no_hosts = addresses_without_hosts(catalog)
    for item in by_name(catalog.tunnels):
        spec = item.spec
        esp = resolve_esp(spec.ipsec, fleet_esp)
        report_weak(item, esp, severity, found)
        ike = resolve_ike(spec.ike, fleet_ike)
        check_ike(item, ike, found)
        router_item = catalog.find(catalog.routers, "VpcRouter", spec.router, item, found, "router")
        vip = _vip(catalog, item, vips, found)
        _check_peer_address(item, vip, no_hosts, found)
        if router_item is None or spec.router not in routers:
            continue
        router = routers[spec.router]
        cidrs = _source_cidrs(catalog, item, router, found)
        _check_peer_outside(item, cidrs or (), found)
        if vip is None or cidrs is None:
            continue
        local_id, peer_id = resolve_ids(item, vip.address, found)
        tunnels[item.name] = Tunnel(
            name=item.name,
            description=spec.description,
            router=router.name,
            vip=vip,
            peer_address=spec.peer.address,
            unmanaged=spec.peer.managed is False,
            local_cidrs=cidrs,
            peer_cidrs=spec.peer.cidrs,
            local_id=local_id,
            peer_id=peer_id,
            psk=keys[item.name],
            ike=ike,
            esp=esp,
            enabled=spec.enabled,
            location=item.location,
            previous_names=previous_names(item),
            adopts=item.metadata.annotations.get(ADOPTS, ""),
            reconnect=item.metadata.annotations.get(RECONNECT, ""),
            protected=spec.deletion_protection,
            redundancy_group=spec.redundancy_group or "",
            level=resolve_level(spec.reconcile, router.level),
        )
    return tunnels


def _keys(catalog: Catalog, found: Diagnostics) -> dict[str, PskRef]:
    """Tunnel -> its key."""
    return {
        item.name: resolve_key(catalog, item, item.spec.authentication.key, found, "authentication", "key")
        for item in by_name(catalog.tunnels)
    }


def _check_previous_names(catalog: Catalog, found: Diagnostics) -> None:
    """A previous name is not in use now, and is the previous name of one tunnel alone."""
    claimed: dict[str, Item[IPsecTunnelSpec]] = {}
    for item in by_name(catalog.tunnels):
        for index, name in enumerate(previous_names(item)):
            other = catalog.tunnels.get(name) or claimed.get(name)
            claimed[name] = item
            if other is None:
                continue
            where = ("metadata", "previousNames", index)
            whose = "is its present name" if other is item else f"is the name of the tunnel {other.name!r}"
            found.error(
                "previous-name-in-use",
                item.document.locate(where),
                f"the previous name {name!r} {whose}",
                path=dotted(where),
                hint="a previous name must be unique, because it identifies the connection on the router",
                related=() if other is item else (other.location,),
            )


def _vip(
    catalog: Catalog, item: Item[IPsecTunnelSpec], vips: Mapping[str, Vip], found: Diagnostics
) -> Vip | None:
    """The tunnel's VIP; None when it is not known. It is on the tunnel's own router."""
    choice = item.spec.vip
    if choice.system:
        return vips.get(system_vip_name(item.spec.router))
    if choice.name is None:
        return vips.get(item.name)
    named = catalog.tunnels.get(choice.name)
    created = named is not None and named.spec.vip.create is not None
    if not created and catalog.find(catalog.vips, "Vip", choice.name, item, found, "vip", "name") is None:
        return None
    vip = vips.get(choice.name)
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


def _check_peer_outside(item: Item[IPsecTunnelSpec], sources: tuple[str, ...], found: Diagnostics) -> None:
    """What is sent to a peer inside a source network would never leave by the public network."""
    address = item.spec.peer.address
    inside = next((cidr for cidr in sources if parse_cidr(cidr).includes(address)), None)
    if inside is not None:
        item.error(
            found,
            "address-not-usable",
            f"the peer address {address} is inside the tunnel's own source network {inside}",
            "peer",
            "address",
        )


def _check_peer_address(
    item: Item[IPsecTunnelSpec], vip: Vip | None, no_hosts: Mapping[str, str], found: Diagnostics
) -> None:
    address = item.spec.peer.address
    number = parse_address(address)
    if vip is not None and address == vip.address:
        item.error(
            found,
            "peer-is-vip",
            f"the peer address {address} is the tunnel's own VIP",
            "peer",
            "address",
            related=(vip.location,),
        )
    problem = not_unicast(Interval(number, number)) or no_hosts.get(address, "")
    if problem:
        item.error(found, "address-not-usable", f"the peer address {address} {problem}", "peer", "address")


def _source_cidrs(
    catalog: Catalog, item: Item[IPsecTunnelSpec], router: DesiredRouter, found: Diagnostics
) -> tuple[str, ...] | None:
    """The tunnel's source CIDRs; None when a network is not known or none is chosen."""
    attached = {part.network: part.cidr for part in router.vpc}
    source = item.spec.source
    if source is None:
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
    for index, name in enumerate(source.networks):
        path = ("source", "networks", index)
        if name in seen:
            item.error(found, "duplicate-value", f"{name!r} is already in the list", *path)
        elif name in attached:
            cidrs.append(attached[name])
        elif catalog.find(catalog.vpc_networks, "VpcNetwork", name, item, found, *path) is not None:
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
    return tuple(cidrs) if len(cidrs) == len(source.networks) else None
