"""Traffic that a change of the guards exposes: before, it went into a tunnel or was dropped."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache

from reconciler.diff.coverage import Coverage
from reconciler.model.router_config import Pair
from schemas.addresses import Interval, networks, parse_cidr, without


def exposed(removed: Collection[Pair], remaining: Collection[Pair]) -> tuple[Pair, ...]:
    """The (source, destination) CIDRs that the removed guards covered and the remaining ones do not, in order
    of their addresses. An element that is no pair of CIDRs guards nothing that could be named."""
    if not removed:
        return ()
    kept = Coverage(filter(None, map(_intervals, remaining)))
    gone: dict[Interval, list[Interval]] = {}
    for source, destination in filter(None, map(_intervals, removed)):
        gone.setdefault(source, []).append(destination)
    found = set()
    for source, destinations in gone.items():
        covered = kept.destinations(source)
        found |= {(source, rest) for part in destinations for rest in _uncovered(part, covered)}
    return tuple((networks(source)[0], networks(rest)[0]) for source, rest in sorted(found))


def _uncovered(destination: Interval, covered: list[Interval]) -> Iterator[Interval]:
    """The parts of a destination to which no guard covers the whole source."""
    for part in without(destination, covered):
        yield from map(parse_cidr, networks(part))


def _intervals(pair: Pair) -> tuple[Interval, Interval] | None:
    source, destination = map(_interval, pair)
    return None if source is None or destination is None else (source, destination)


@lru_cache(maxsize=65_536)
def _interval(part: str) -> Interval | None:
    try:
        return parse_cidr(part if "/" in part else f"{part}/32")
    except ValueError:
        return None
