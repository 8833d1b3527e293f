"""What a change of the guards lets out: traffic that went into a tunnel or nowhere before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, summarize_address_range

from reconciler.model.router_config import Pair
from schemas.addresses import Interval, parse_cidr


def exposed(removed: Collection[Pair], remaining: Collection[Pair]) -> tuple[Pair, ...]:
    """The (source, destination) CIDRs that the removed guards covered and the remaining ones do not, in order
    of their addresses. An element that is no pair of CIDRs guards nothing that could be named."""
    if not removed:
        return ()
    kept: dict[Interval, list[Interval]] = {}
    for source, destination in filter(None, map(_intervals, remaining)):
        kept.setdefault(source, []).append(destination)
    merged = {source: _merged(destinations) for source, destinations in kept.items()}
    found = {
        (source, rest)
        for source, destination in filter(None, map(_intervals, removed))
        for rest in _uncovered(source, destination, merged)
    }
    return tuple((_text(source), _text(rest)) for source, rest in sorted(found))


def _uncovered(
    source: Interval, destination: Interval, kept: dict[Interval, list[Interval]]
) -> Iterator[Interval]:
    """The parts of a destination to which no guard covers the whole source."""
    parts = [destination]
    for other, destinations in kept.items():
        if other.contains(source):
            parts = [left for part in parts for left in _without(part, destinations)]
    for part in parts:
        for network in summarize_address_range(IPv4Address(part.first), IPv4Address(part.last)):
            yield parse_cidr(str(network))


def _without(part: Interval, destinations: list[Interval]) -> Iterator[Interval]:
    """What is left of an interval, of others that are sorted and apart."""
    start = part.first
    index = max(bisect_right(destinations, (start, start)) - 1, 0)
    while index < len(destinations) and destinations[index].first <= part.last:
        other = destinations[index]
        if other.last >= start:
            if other.first > start:
                yield Interval(start, other.first - 1)
            start = other.last + 1
        index += 1
    if start <= part.last:
        yield Interval(start, part.last)


def _merged(intervals: list[Interval]) -> list[Interval]:
    found: list[Interval] = []
    for interval in sorted(intervals):
        if found and interval.first <= found[-1].last + 1:
            found[-1] = Interval(found[-1].first, max(found[-1].last, interval.last))
        else:
            found.append(interval)
    return found


def _intervals(pair: Pair) -> tuple[Interval, Interval] | None:
    try:
        source, destination = (parse_cidr(part if "/" in part else f"{part}/32") for part in pair)
    except ValueError:
        return None
    return source, destination


def _text(interval: Interval) -> str:
    [network] = summarize_address_range(IPv4Address(interval.first), IPv4Address(interval.last))
    return str(network)
