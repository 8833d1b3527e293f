"""Traffic that a tunnel carries no more after a change, and where it goes then."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import Final

from reconciler.diff.coverage import Coverage
from reconciler.diff.live import Live
from reconciler.facets.connections import listed_ends
from reconciler.facets.selectors import Block, lacking
from reconciler.model.router_config import Pair, RouterConfig
from reconciler.model.settings import Change, Settings
from schemas.addresses import parse_cidr, without

UNGUARDED: Final = "in the clear or masqueraded"
"""It leaves for the public network, as the router's routes and its own NAT have it."""
CLEAR: Final = "in the clear"
"""The same, where no NAT rule of the router matches it."""
MASQUERADED: Final = "masqueraded"
"""The same, where one does."""
DROPPED: Final = "dropped"
"""The guard of the tunnel stays."""
ELSEWHERE: Final = "another tunnel"
"""The guard of another tunnel covers it: that one carries it, and it is dropped while that one is down."""


class Guards:
    """What the guards of a router cover once it is as desired, found once: a router has thousands."""

    def __init__(self, desired: RouterConfig) -> None:
        self._desired = desired
        self._own: dict[str, Coverage] = {}

    def way_of(self, tunnel: str, pair: Pair) -> str:
        """Where traffic between two CIDRs goes that a tunnel carries no more."""
        own = self._desired.guards.get(tunnel)
        if own is not None:
            if tunnel not in self._own:
                self._own[tunnel] = _coverage(own.guarded)
            if _covers(self._own[tunnel], pair):
                return DROPPED
        return ELSEWHERE if _covers(self._all, pair) else UNGUARDED

    @cached_property
    def _all(self) -> Coverage:
        return _coverage(self._desired.firewall.guarded)


def lost(tunnel: str, before: Iterable[Block], after: Settings | None, guards: Guards) -> Iterator[Change]:
    """One field for each pair of networks that was carried `before` and is not `after`."""
    kept = [] if after is None else list(listed_ends(after)[1])
    pairs = {
        pair for block in dict.fromkeys(before) for rest in lacking(block, kept) for pair in product(*rest)
    }
    for pair in sorted(pairs, key=lambda pair: tuple(map(parse_cidr, pair))):
        source, destination = pair
        way = guards.way_of(tunnel, pair)
        yield Change(f"traffic[{source} {destination}]", "this tunnel", way, "vici")


_FIELD: Final = re.compile(r"traffic\[(\S+) (\S+)\]")


def pair_of(change: Change) -> Pair | None:
    """The pair of networks that a field is about; None for any other field."""
    found = _FIELD.fullmatch(change.path)
    return (found[1], found[2]) if found else None


def carried(live: Live, connections: Iterable[str]) -> Iterator[Block]:
    """What connections are loaded for; of one that is not loaded, what its running SAs carry."""
    for name in connections:
        loaded = live.state.connections.get(name)
        if loaded is not None:
            yield from listed_ends(loaded)[1]
        else:
            yield from (
                (child.local_ts, child.remote_ts)
                for sa in live.sas.get(name, ())
                if not sa.ending
                for child in sa.children
            )


def _coverage(guarded: Iterable[Pair]) -> Coverage:
    return Coverage((parse_cidr(source), parse_cidr(destination)) for source, destination in guarded)


def _covers(coverage: Coverage, pair: Pair) -> bool:
    """Whether all of a pair is covered."""
    source, destination = map(parse_cidr, pair)
    return not any(without(destination, coverage.destinations(source)))
