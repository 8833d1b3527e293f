"""How many selectors transit makes, for a person."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.bounds import MOST_PAIRS_OF_ROUTER
from reconciler.model.fabric import Fabric, transits
from reconciler.model.listing import counted
from reconciler.report.line import Line


def transit_lines(fabric: Fabric) -> Iterator[Line]:
    """A line for each router through which traffic of others passes."""
    for router, passing, pairs in transits(fabric):
        yield Line(
            f"Transit through {router}: {passing:,} of {counted(pairs, 'pair')} of networks in "
            f"{counted(len(fabric.tunnels_of(router)), 'tunnel end')} (at most {MOST_PAIRS_OF_ROUTER:,})."
        )
