"""Compares the two ends of a managed pair: local and remote change places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import IkeId, Tunnel, Vip
from reconciler.model.quoting import quoted
from reconciler.validate.catalog import Catalog, Item
from reconciler.validate.misdirected import misdirected, report_misdirected
from reconciler.validate.owners import Owner, owners
from schemas.addresses import is_address
from schemas.algorithms import esp_proposal, ike_proposal
from schemas.tunnel import PeerSpec, TunnelEndSpec


def pair_tunnels(
    catalog: Catalog,
    vips: Mapping[str, Vip],
    tunnels: Mapping[str, Tunnel],
    peers: Mapping[str, PeerSpec],
    found: Diagnostics,
) -> dict[str, Tunnel]:
    """The tunnels with `other_end` set where that is managed too; each pair is checked once."""
    by_ends = {
        (tunnel.vip.address, tunnel.peer_address): tunnel
        for _, tunnel in sorted(tunnels.items(), reverse=True)
        if tunnel.vip.address != tunnel.peer_address
    }
    ours = owners(catalog, vips, {tunnel.peer_address for tunnel in tunnels.values()})
    unresolved = _unresolved_peers(catalog, tunnels, peers)
    anybodys = _has_unreadable_peer(catalog)
    others = {
        name: by_ends.get((tunnel.peer_address, tunnel.vip.address)) for name, tunnel in tunnels.items()
    }
    # Ends that miss their other end, unless that may stand in what could not be read.
    missing = [
        tunnel
        for name, tunnel in sorted(tunnels.items())
        if others[name] is None
        and not tunnel.unmanaged
        and tunnel.vip.address not in unresolved
        and not anybodys
        and not catalog.loaded.may_define(tunnel.vip.address)
    ]
    wrong = misdirected(missing)
    report_misdirected(catalog, wrong, tunnels, found)
    explained = {*wrong, *(other.name for other in wrong.values())}
    for tunnel in missing:
        owner = ours.get(tunnel.peer_address)
        managed = peers[tunnel.name].managed
        itself = tunnel.peer_address == tunnel.vip.address
        if (managed or owner is not None) and not itself and tunnel.name not in explained:
            _report_missing(catalog, tunnel, owner, found)
    paired = dict(tunnels)
    for name in sorted(tunnels):
        tunnel, other = tunnels[name], others[name]
        managed = peers[name].managed
        if other is None:
            continue
        if managed is False:
            _report_managed(catalog, tunnel, other, found)
        if tunnel.probe is not None:
            _report_probe(catalog, tunnel, other, found)
        paired[name] = replace(tunnel, other_end=other.name)
        if name < other.name:
            _check_pair(catalog, tunnel, other, found)
    return paired


def _has_unreadable_peer(catalog: Catalog) -> bool:
    """Whether a broken tunnel has a peer whose address is none: it may be the other end of any."""
    for (kind, _), document in catalog.broken.items():
        address = document.value(("spec", "peer", "address"))
        if kind == "IPsecTunnel" and address is not None and not is_address(str(address)):
            return True
    return False


def _unresolved_peers(
    catalog: Catalog, tunnels: Mapping[str, Tunnel], peers: Mapping[str, PeerSpec]
) -> frozenset[str]:
    """What may be the peer's address of a tunnel that has errors, or refers to what has: it may be the other
    end, and what is wrong with it is reported there."""
    words = {
        word
        for document in catalog.broken.values()
        for word in re.findall(r"[0-9.]{7,15}", str(document.data))
    }
    unresolved = {peer.address for name, peer in peers.items() if name not in tunnels}
    return frozenset(words | unresolved)


def _report_missing(catalog: Catalog, tunnel: Tunnel, owner: Owner | None, found: Diagnostics) -> None:
    """The peer is ours, or said to be, and no tunnel there leads back."""
    whose = owner.words if owner is not None else "is declared as managed"
    back = f"has {tunnel.vip.address} as its peer"
    if owner is not None and owner.router:
        where, add = "where no tunnel", f"a tunnel on {owner.router!r} with that VIP"
    else:
        where, add = "and no tunnel from there", f"a tunnel whose VIP is {tunnel.peer_address}"
    catalog.tunnels[tunnel.name].error(
        found,
        "mirror-missing",
        f"the peer {tunnel.peer_address} {whose}, {where} {back}",
        "peer",
        "address",
        hint=f"add the other end: {add} and `peer.address: {tunnel.vip.address}`; or delete this end too, "
        f"if you want to remove the tunnel; or write `peer.managed: false`, if the peer is unmanaged",
        related=(owner.location,) if owner is not None else (),
    )


def _report_managed(catalog: Catalog, tunnel: Tunnel, other: Tunnel, found: Diagnostics) -> None:
    catalog.tunnels[tunnel.name].warning(
        found,
        "mirror-managed",
        f"the other end is managed here: it is the tunnel {other.name!r} of the router {other.router!r}",
        "peer",
        "managed",
        hint="remove the field: with it, a deletion of the other end is not reported",
        related=(other.location,),
    )


def _report_probe(catalog: Catalog, tunnel: Tunnel, other: Tunnel, found: Diagnostics) -> None:
    catalog.tunnels[tunnel.name].error(
        found,
        "probe-managed",
        f"the other end is managed: it is the tunnel {other.name!r} of the router {other.router!r}",
        "probe",
        hint="remove the field: a tunnel between managed routers is probed from router to router",
        related=(other.location,),
    )


def _check_pair(catalog: Catalog, left: Tunnel, right: Tunnel, found: Diagnostics) -> None:
    ends = catalog.tunnels[left.name], catalog.tunnels[right.name]
    _check_cidrs(ends, left, right, found)
    _check_cidrs((ends[1], ends[0]), right, left, found)
    neither = left.local_id != right.peer_id and right.local_id != left.peer_id
    saying = [end.sets("identity") for end in ends]
    # Where only one end has IDs of its own, that is one difference, and reported there.
    if not (neither and saying == [True, False]):
        _check_ids(ends, left, right, found)
    if not (neither and saying == [False, True]):
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
            f"this end is disabled, the other end {enabled.name!r} is enabled; the tunnel stays down",
            "enabled",
            related=(enabled.at("enabled"),),
        )


def _ike(tunnel: Tunnel) -> str:
    return ike_proposal(tunnel.ike.encryption, tunnel.ike.integrity, tunnel.ike.dh_group)


def _esp(tunnel: Tunnel) -> str:
    """Without the group: a difference in it is reported as one of PFS."""
    return esp_proposal(tunnel.esp.encryption, tunnel.esp.integrity, None)


Ends = tuple[Item[TunnelEndSpec], Item[TunnelEndSpec]]


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
        hint=f"change the peer CIDRs here, or the source networks of {near.name!r}",
        related=(ends[0].at(source),),
    )


def _check_ids(ends: Ends, near: Tunnel, far: Tunnel, found: Diagnostics) -> None:
    """How this end calls itself is how the other end expects it."""
    if near.local_id == far.peer_id:
        return
    ends[1].error(
        found,
        "mirror-mismatch",
        f"the peer ID {_words(far.peer_id)} is not the local ID of the other end {near.name!r}: "
        f"{_words(near.local_id)}",
        "identity",
        "peer",
        hint=f"change the peer ID here, or the local ID of {near.name!r}",
        related=(ends[0].at("identity", "local"),),
    )


def _words(identity: IkeId) -> str:
    return f"{quoted(identity.value)} ({identity.type})"


def _report_difference(
    ends: Ends, what: str, path: tuple[str, ...], values: tuple[object, object], found: Diagnostics
) -> None:
    here, there = ("none" if value is None else value for value in values)
    ends[0].error(
        found,
        "mirror-mismatch",
        f"the {what} of the two ends differ: {here} here, {there} at {ends[1].name!r}",
        *path,
        hint="make it the same at both ends",
        related=(ends[1].at(*path),),
    )
