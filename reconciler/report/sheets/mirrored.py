"""A tunnel seen from its other end: local and remote change places, all else is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.model.fabric import Tunnel
from schemas.algorithms import WEAK, WEAK_GROUPS, is_aead


def mirrored(tunnel: Tunnel) -> Tunnel:
    """The other end, as a tunnel of its own. What its administrator alone knows, as its router, is empty."""
    vip = replace(
        tunnel.vip,
        name="",
        address=tunnel.peer_address,
        prefix_length=32,
        public_network="",
        router="",
        interface="",
        managed=False,
    )
    return replace(
        tunnel,
        description="",
        router="",
        vip=vip,
        peer_address=tunnel.vip.address,
        local_cidrs=tunnel.peer_cidrs,
        peer_cidrs=tunnel.local_cidrs,
        local_id=tunnel.peer_id,
        peer_id=tunnel.local_id,
        previous_names=(),
        adopts="",
        reconnect="",
    )


def remarks(tunnel: Tunnel) -> Iterator[str]:
    """What the reader of the sheet should know of our end, one sentence each."""
    if not tunnel.enabled:
        yield "The tunnel is disabled at our end; it stays down until it is enabled there."
    if tunnel.other_end is not None:
        managed = f"The other end is managed by tunnelwright too, as {tunnel.other_end}"
        yield f"{managed}, and needs no manual configuration."
    yield from weaknesses(tunnel)


def weaknesses(tunnel: Tunnel) -> Iterator[str]:
    """What both ends would use and should not, one sentence each, whether it was chosen or is a default."""
    ike, esp = tunnel.ike, tunnel.esp
    used: list[tuple[str, object, str | None]] = [
        ("IKE encryption", ike.encryption, WEAK.get(ike.encryption)),
        ("IKE integrity", ike.integrity, WEAK.get(ike.integrity)),
        ("IKE DH group", ike.dh_group, WEAK_GROUPS.get(ike.dh_group)),
        ("IPsec encryption", esp.encryption, WEAK.get(esp.encryption)),
        ("IPsec PFS group", esp.pfs_group, WEAK_GROUPS.get(esp.pfs_group or 0)),
    ]
    if not is_aead(esp.encryption):
        used.insert(-1, ("IPsec integrity", esp.integrity, WEAK.get(esp.integrity)))
    for what, value, reason in used:
        if reason is not None:
            yield f"{what} {value} is weak: {reason}."
