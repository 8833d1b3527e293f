"""One tunnel at a time: its peer, IDs and policy. Whether the peer is another of them comes later."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.load import dotted
from reconciler.model.diagnostic import Diagnostics, Severity
from reconciler.model.fabric import EspPolicy, IkePolicy, Level, Probe, PskRef, Tunnel, Vip
from reconciler.validate.catalog import Catalog, Item, by_name
from reconciler.validate.connections import ConnectionEnd
from reconciler.validate.defaults import Defaults, Effective
from reconciler.validate.identities import resolve_ids
from reconciler.validate.keys import resolve_key
from reconciler.validate.levels import resolve_level
from reconciler.validate.networks import addresses_without_hosts, not_unicast
from reconciler.validate.peers import Place, labels_of_ends
from reconciler.validate.placement import previous_names
from reconciler.validate.policies import (
    SERVICE_ESP,
    SERVICE_IKE,
    check_ike,
    report_weak,
    resolve_esp,
    resolve_ike,
)
from schemas.addresses import Interval, parse_address, parse_cidr
from schemas.policy import FabricDefaultsSpec
from schemas.router import VpcRouterSpec
from schemas.tunnel import ADOPTS, RECONNECT, PeerSpec, TunnelEndSpec


def resolve_tunnels(
    catalog: Catalog,
    defaults: Defaults,
    places: Mapping[str, Place],
    peers: Mapping[str, PeerSpec],
    found: Diagnostics,
) -> dict[str, Tunnel]:
    """Check every tunnel by itself. One with a reference that leads nowhere is left out."""
    _report_weak_defaults(catalog, defaults, found)
    tunnels: dict[str, Tunnel] = {}
    _check_previous_names(catalog, found)
    keys = _keys(catalog, found)
    no_hosts = addresses_without_hosts(catalog)
    labels = labels_of_ends(catalog, places, peers)
    policies: dict[Effective, tuple[IkePolicy, EspPolicy]] = {}
    for item in by_name(catalog.tunnels):
        spec = item.spec
        both, own = defaults.concerning(*labels[item.name]), defaults.concerning(labels[item.name][0])
        if both not in policies:
            policies[both] = _policies(both)
        esp = resolve_esp(spec.ipsec, policies[both][1])
        report_weak(item, esp, _severity(both.spec), found)
        ike = resolve_ike(spec.ike, policies[both][0])
        defaults.note(item, both, {"ike", "ipsec", "weakAlgorithms"}, spec)
        router = catalog.routers.get(spec.router)
        enclosing = () if router is None else (router.spec,)
        defaults.note(item, own, {"reconcile"}, spec, *enclosing)
        check_ike(item, ike, found)
        place, peer = places[item.name], peers.get(item.name)
        if peer is None:
            continue
        _check_peer_address(item, peer.address, place.vip, no_hosts, found)
        _check_peer_outside(item, peer.address, place.cidrs or (), found)
        _check_probe(item, peer, found)
        if place.router is None or place.vip is None or place.cidrs is None:
            continue
        local_id, peer_id = resolve_ids(item, place.vip.address, peer.address, found)
        tunnels[item.name] = Tunnel(
            name=item.name,
            description=spec.description,
            router=place.router.name,
            vip=place.vip,
            peer_address=peer.address,
            unmanaged=peer.managed is False,
            local_cidrs=place.cidrs,
            transit_cidrs=place.transit,
            peer_cidrs=peer.cidrs,
            local_id=local_id,
            peer_id=peer_id,
            psk=keys[item.name],
            ike=ike,
            esp=esp,
            enabled=spec.enabled,
            location=item.location,
            previous_names=previous_names(item),
            adopts=item.metadata.annotations.get(ADOPTS, ""),
            reconnect=_reconnect(item, place.vip.address, peer.address),
            protected=spec.deletion_protection,
            redundancy_group=spec.redundancy_group or "",
            level=_level(spec, enclosing, own),
            origin=item.places.origin if isinstance(item.places, ConnectionEnd) else None,
            probe=Probe(spec.probe.target, spec.probe.interval) if spec.probe is not None else None,
            labels=labels[item.name][0],
            group_by_default=spec.ike.dh_group is None and both.spec.ike.dh_group is None,
        )
    return tunnels


def _policies(defaults: Effective) -> tuple[IkePolicy, EspPolicy]:
    """What a document that sets nothing has."""
    spec = defaults.spec
    return resolve_ike(spec.ike, SERVICE_IKE), resolve_esp(spec.ipsec, SERVICE_ESP)


def _report_weak_defaults(catalog: Catalog, defaults: Defaults, found: Diagnostics) -> None:
    """Report each weak algorithm that a document of defaults sets, as strictly as that document or the one of
    the whole fleet says."""
    for item in by_name(catalog.defaults):
        fleet = defaults.fleet.spec if defaults.fleet is not None else FabricDefaultsSpec()
        esp = resolve_esp(item.spec.ipsec, resolve_esp(fleet.ipsec, SERVICE_ESP))
        report_weak(item, esp, _severity(item.spec, fleet), found)


def _severity(*specs: FabricDefaultsSpec) -> Severity:
    """What the first of some defaults that says it makes of weak algorithms."""
    said = next((spec.weak_algorithms for spec in specs if spec.weak_algorithms is not None), "warn")
    return Severity.ERROR if said == "error" else Severity.WARNING


def _level(spec: TunnelEndSpec, enclosing: tuple[VpcRouterSpec, ...], own: Effective) -> Level:
    """What a tunnel's document says, else that of its router, else the defaults for the labels of its end."""
    level = resolve_level(own.spec.reconcile, Level())
    for router in enclosing:
        level = resolve_level(router.reconcile, level)
    return resolve_level(spec.reconcile, level)


def _reconnect(item: Item[TunnelEndSpec], address: str, peer: str) -> str:
    """The reconnect that is requested of an end. That of a connection is carried out by the end that brings
    the tunnel up (`Tunnel.initiates`): names may change, and the other end has no record of it."""
    own = item.metadata.annotations.get(RECONNECT, "")
    if own or not isinstance(item.places, ConnectionEnd) or parse_address(address) > parse_address(peer):
        return own
    return item.places.reconnect


def _keys(catalog: Catalog, found: Diagnostics) -> dict[str, PskRef]:
    """Tunnel -> its key."""
    return {
        item.name: resolve_key(catalog, item, item.spec.authentication.key, found, "authentication", "key")
        for item in by_name(catalog.tunnels)
    }


def _check_previous_names(catalog: Catalog, found: Diagnostics) -> None:
    """A previous name is not in use now, and is the previous name of one tunnel alone."""
    claimed: dict[str, Item[TunnelEndSpec]] = {}
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
                item.locate(where),
                f"the previous name {name!r} {whose}",
                path=dotted(item.written(where)),
                hint="a previous name must be unique, because it identifies the connection on the router",
                related=() if other is item else (other.location,),
            )


def _check_peer_outside(
    item: Item[TunnelEndSpec], address: str, sources: tuple[str, ...], found: Diagnostics
) -> None:
    """What is sent to a peer inside a source network would never leave by the public network."""
    inside = next((cidr for cidr in sources if parse_cidr(cidr).includes(address)), None)
    if inside is not None:
        item.error(
            found,
            "address-not-usable",
            f"the peer address {address} is inside the tunnel's own source network {inside}",
            "peer",
            "address",
        )


def _check_probe(item: Item[TunnelEndSpec], peer: PeerSpec, found: Diagnostics) -> None:
    """What is probed lies behind the peer: anything else is not reached through the tunnel."""
    probe = item.spec.probe
    if probe is not None and not any(parse_cidr(cidr).includes(probe.target) for cidr in peer.cidrs):
        item.error(
            found,
            "probe-target",
            f"the probe target {probe.target} is in none of the networks behind the peer",
            "probe",
            "target",
            allowed=", ".join(peer.cidrs),
        )


def _check_peer_address(
    item: Item[TunnelEndSpec],
    address: str,
    vip: Vip | None,
    no_hosts: Mapping[str, str],
    found: Diagnostics,
) -> None:
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
