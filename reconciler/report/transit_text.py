"""How many selectors transit makes, for a person."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.bounds import MOST_PAIRS_OF_ROUTER
from reconciler.model.fabric import Fabric
from reconciler.model.listing import counted
from reconciler.report.line import Line


def transit_lines(fabric: Fabric) -> Iterator[Line]:
    """A line for each router through which traffic of others passes."""
    for router in sorted(fabric.routers):
        tunnels = fabric.tunnels_of(router)
        passing = sum(len(tunnel.transit_cidrs) * len(tunnel.peer_cidrs) for tunnel in tunnels)
        if passing:
            pairs = sum(len(tunnel.local_cidrs) * len(tunnel.peer_cidrs) for tunnel in tunnels)
            yield Line(
                f"Transit through {router}: {passing:,} of {counted(pairs, 'pair')} of networks in "
                f"{counted(len(tunnels), 'tunnel end')} (at most {MOST_PAIRS_OF_ROUTER:,})."
            )
