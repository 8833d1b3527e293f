"""Traffic that a tunnel carries no more after a change, and where it goes then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import product
from typing import Self

from reconciler.diff.coverage import Coverage
from reconciler.diff.live import Live
from reconciler.facets.connections import listed_ends
from reconciler.facets.sas.selectors import Block, lacking
from reconciler.model.router_config import Pair, RouterConfig
from reconciler.model.swanctl import Change, Settings
from schemas.addresses import parse_cidr, without


class Outlet(StrEnum):
    """Where traffic goes that a tunnel carries no more."""

    UNGUARDED = "in the clear or masqueraded"
    """It leaves for the public network, as the router's routes and its own NAT have it."""
    CLEAR = "in the clear"
    """The same, where no NAT rule of the router matches it."""
    MASQUERADED = "masqueraded"
    """The same, where one does."""
    DROPPED = "dropped"
    """The guard of the tunnel stays."""
    OTHER_TUNNEL = "another tunnel"
    """The guard of another tunnel covers it: that one carries it; while it is down, traffic is dropped."""


@dataclass(frozen=True, slots=True)
class LostTraffic(Change):
    """The field that says what becomes of traffic between two networks: source and destination CIDR."""

    pair: Pair
    outlet: Outlet

    @classmethod
    def of(cls, pair: Pair, outlet: Outlet) -> Self:
        """The field of one pair."""
        source, destination = pair
        return cls(f"traffic[{source} {destination}]", "this tunnel", outlet.value, "vici", pair, outlet)


class Guards:
    """What the guards of a router cover once it is as desired, found once: a router has thousands."""

    def __init__(self, desired: RouterConfig) -> None:
        self._desired = desired
        self._own: dict[str, Coverage] = {}

    def outlet_of(self, tunnel: str, pair: Pair) -> Outlet:
        """Where traffic between two CIDRs goes that a tunnel carries no more."""
        own = self._desired.guards.get(tunnel)
        if own is not None:
            if tunnel not in self._own:
                self._own[tunnel] = _coverage(own.guarded)
            if _covers(self._own[tunnel], pair):
                return Outlet.DROPPED
        return Outlet.OTHER_TUNNEL if _covers(self._all, pair) else Outlet.UNGUARDED

    @cached_property
    def _all(self) -> Coverage:
        return _coverage(self._desired.firewall.guarded)


def lost(
    tunnel: str, before: Iterable[Block], after: Settings | None, guards: Guards
) -> Iterator[LostTraffic]:
    """One field for each pair of networks that was carried `before` and is not `after`."""
    kept = [] if after is None else list(listed_ends(after)[1])
    pairs = {
        pair for block in dict.fromkeys(before) for rest in lacking(block, kept) for pair in product(*rest)
    }
    for pair in sorted(pairs, key=lambda pair: tuple(map(parse_cidr, pair))):
        yield LostTraffic.of(pair, guards.outlet_of(tunnel, pair))


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
