"""A path MTU black hole: the tunnel carries small packets, and large ones are lost without an ICMP error,
which is why their senders do not send smaller ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from reconciler.diagnosis.evidence import Evidence
from reconciler.diagnosis.finding import Field, Finding, found

_TCP_HEADERS: Final = 40
"""Bytes of the headers of IPv4 and TCP, without options."""


def path_mtu(evidence: Evidence) -> Iterator[Finding]:
    """Packets that TCP sends with the routers' MSS do not arrive."""
    sizes, this_end, other_end = evidence.lost_sizes, evidence.this_end, evidence.other_end
    if sizes is None or other_end is None:
        return
    here, there = this_end.tunnel.router, other_end.tunnel.router
    ways = [f"from {here} to {there}"] * sizes.there + [f"from {there} to {here}"] * sizes.back
    blamed = other_end if ways and not sizes.there else this_end
    item = found(
        "path-mtu",
        blamed.tunnel,
        "router",
        f"packets of {sizes.lost} bytes are lost in the tunnel without an ICMP error, "
        f"{' and '.join(ways) or 'one way or the other'}; those of {sizes.passing} bytes arrive",
        hint=f"set `mss: {sizes.passing - _TCP_HEADERS}` of {here} and {there} for TCP, and an MTU of "
        f"{sizes.passing} on hosts that send large packets of other protocols; or find what on the path has "
        "a smaller MTU, and let its ICMP errors (type 3, code 4) through",
    )
    yield replace(item, field=Field("VpcRouter", blamed.tunnel.router, ("spec", "mss")))
