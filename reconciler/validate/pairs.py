"""The two ends of a managed pair against each other: what one end says, the other mirrors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import IkeId, Tunnel, Vip
from reconciler.validate.catalog import Catalog, Item
from schemas.algorithms import esp_proposal, ike_proposal
from schemas.tunnel import IPsecTunnelSpec


def pair_tunnels(
    catalog: Catalog, vips: Mapping[str, Vip], tunnels: Mapping[str, Tunnel], found: Diagnostics
) -> dict[str, Tunnel]:
    """The tunnels with `mirror` set where the other end is managed too; each pair is checked once."""
    by_ends = {
        (tunnel.vip.address, tunnel.peer_address): tunnel
        for _, tunnel in sorted(tunnels.items(), reverse=True)
        if tunnel.vip.address != tunnel.peer_address
    }
    managed = {vip.address: vip for _, vip in sorted(vips.items(), reverse=True)}
    paired = dict(tunnels)
    for name in sorted(tunnels):
        tunnel = tunnels[name]
        if tunnel.peer_address not in managed or tunnel.peer_address == tunnel.vip.address:
            continue
        mirror = by_ends.get((tunnel.peer_address, tunnel.vip.address))
        if mirror is None:
            _report_missing(catalog, tunnel, managed[tunnel.peer_address], found)
            continue
        paired[name] = replace(tunnel, mirror=mirror.name)
        if name < mirror.name:
            _check_pair(catalog, tunnel, mirror, found)
    return paired


def _report_missing(catalog: Catalog, tunnel: Tunnel, far: Vip, found: Diagnostics) -> None:
    """The peer address is ours, and no tunnel there leads back, unless one that is broken does."""
    hidden = any(tunnel.vip.address in str(document.data) for document in catalog.broken.values())
    if hidden or catalog.loaded.may_define(tunnel.vip.address):
        return
    catalog.tunnels[tunnel.name].error(
        found,
        "mirror-missing",
        f"the peer {far.address} is the VIP {far.name!r} of the router {far.router!r} "
        f"({far.location.file}), where no tunnel has {tunnel.vip.address} as its peer",
        "peer",
        "address",
        hint=f"add the other end: a tunnel on {far.router!r} with that VIP and `peer.address: "
        f"{tunnel.vip.address}`",
        related=(far.location,),
    )


def _check_pair(catalog: Catalog, left: Tunnel, right: Tunnel, found: Diagnostics) -> None:
    ends = catalog.tunnels[left.name], catalog.tunnels[right.name]
    _check_cidrs(ends, left, right, found)
    _check_cidrs((ends[1], ends[0]), right, left, found)
    _check_ids(ends, left, right, found)
    _check_ids((ends[1], ends[0]), right, left, found)
    comparisons: tuple[tuple[str, tuple[str, ...], object, object], ...] = (
        ("IKE versions", ("ike", "version"), left.ike.version, right.ike.version),
        ("IKE proposals", ("ike",), _ike(left), _ike(right)),
        ("IPsec proposals", ("ipsec",), _esp(left), _esp(right)),
        ("PFS groups", ("ipsec", "pfs"), left.esp.pfs_group, right.esp.pfs_group),
    )
    for what, path, here, there in comparisons:
        if here != there:
            # The end that departs from the defaults is the one to look at.
            if ends[1].sets(*path) and not ends[0].sets(*path):
                _report_difference((ends[1], ends[0]), what, path, (there, here), found)
            else:
                _report_difference(ends, what, path, (here, there), found)
    if left.enabled != right.enabled:
        disabled, enabled = (ends[1], ends[0]) if left.enabled else ends
        disabled.warning(
            found,
            "mirror-disabled",
            f"this end is disabled, the other end {enabled.name!r} at {enabled.location} is enabled; "
            "the tunnel stays down",
            "enabled",
            related=(enabled.at("enabled"),),
        )


def _ike(tunnel: Tunnel) -> str:
    return ike_proposal(tunnel.ike.encryption, tunnel.ike.integrity, tunnel.ike.dh_group)


def _esp(tunnel: Tunnel) -> str:
    """Without the group: a difference in it is reported as one of PFS."""
    return esp_proposal(tunnel.esp.encryption, tunnel.esp.integrity, None)


Ends = tuple[Item[IPsecTunnelSpec], Item[IPsecTunnelSpec]]


def _check_cidrs(ends: Ends, near: Tunnel, far: Tunnel, found: Diagnostics) -> None:
    """What this end sends from is what the other end sends to."""
    if set(near.local_cidrs) == set(far.peer_cidrs):
        return
    source = "source" if ends[0].spec.source is not None else "router"
    ends[1].error(
        found,
        "mirror-mismatch",
        f"the peer CIDRs {', '.join(far.peer_cidrs)} are not the source networks of the other end "
        f"{near.name!r}: {', '.join(near.local_cidrs)}",
        "peer",
        "cidrs",
        hint=f"change the peer CIDRs here, or the source networks at {ends[0].at(source)}",
        related=(ends[0].at(source),),
    )


def _check_ids(ends: Ends, near: Tunnel, far: Tunnel, found: Diagnostics) -> None:
    """How this end calls itself is how the other end expects it."""
    if near.local_id == far.peer_id:
        return
    here = ends[0].at("identity", "local")
    ends[1].error(
        found,
        "mirror-mismatch",
        f"the peer ID {_words(far.peer_id)} is not the local ID of the other end {near.name!r}: "
        f"{_words(near.local_id)}",
        "identity",
        "peer",
        hint=f"change the peer ID here, or the local ID at {here}",
        related=(here,),
    )


def _words(identity: IkeId) -> str:
    return f"{identity.value!r} ({identity.type})"


def _report_difference(
    ends: Ends, what: str, path: tuple[str, ...], values: tuple[object, object], found: Diagnostics
) -> None:
    here, there = ("none" if value is None else value for value in values)
    other = ends[1].at(*path)
    ends[0].error(
        found,
        "mirror-mismatch",
        f"the {what} of the two ends differ: {here} here, {there} at {ends[1].name!r}",
        *path,
        hint=f"make it the same here and at {other}",
        related=(other,),
    )
