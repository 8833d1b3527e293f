"""Ends of managed pairs whose peer address leads elsewhere: reported there, not at the other end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import Tunnel
from reconciler.validate.catalog import Catalog


def misdirected(alone: Iterable[Tunnel]) -> dict[str, Tunnel]:
    """Tunnel with a wrong peer address -> its other end. Both are among `alone`, the tunnels without an other
    end that may have one.

    The other end has the tunnel's VIP as its peer, and the local networks of each are the peer networks of
    the other, while the tunnel's peer is no address of that end. Where several could be meant, none is.
    """
    alone = tuple(alone)
    by_target: dict[tuple[str, str], list[Tunnel]] = {}
    for tunnel in alone:
        for cidr in tunnel.peer_cidrs:
            same = by_target.setdefault((tunnel.vip.address, cidr), [])
            # Two are too many already; more would make it quadratic.
            if len(same) < 2:
                same.append(tunnel)
    claims: list[tuple[str, Tunnel]] = []
    for other in alone:
        at_peer = (by_target.get((other.peer_address, cidr), ()) for cidr in other.local_cidrs)
        found = {tunnel.name: tunnel for part in at_peer for tunnel in part if tunnel.name != other.name}
        if len(found) == 1:
            (wrong,) = found.values()
            if not set(wrong.local_cidrs).isdisjoint(other.peer_cidrs):
                claims.append((wrong.name, other))
    often = Counter(name for name, _ in claims)
    return {name: other for name, other in claims if often[name] == 1 and other.name not in often}


def report_misdirected(
    catalog: Catalog, wrong: Mapping[str, Tunnel], tunnels: Mapping[str, Tunnel], found: Diagnostics
) -> None:
    """Report each at its peer address, unless that has an error already."""
    known = {item.location for item in found.errors} if wrong else set()
    for name, other in sorted(wrong.items()):
        item, right = catalog.tunnels[name], catalog.tunnels[other.name]
        if item.at("peer", "address") in known:
            continue
        tunnel = tunnels[name]
        item.error(
            found,
            "mirror-mismatch",
            f"the peer address {tunnel.peer_address} is not the VIP of the other end {other.name!r}: "
            f"{other.vip.address}; that end has this one as its peer",
            "peer",
            "address",
            hint=f"write {other.vip.address}; or `peer.managed: false`, if this tunnel does not lead to "
            f"{other.name!r}",
            related=(right.at("peer", "address"),),
        )
