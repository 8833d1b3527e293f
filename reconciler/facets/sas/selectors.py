"""Traffic selectors: what CHILD_SAs carry, beside what a child of a connection is there for. Pure.

A peer may narrow what it is offered (RFC 7296, section 2.9): to fewer networks, to parts of them, to some
ports. So selectors are compared as what they cover, not as what they are called.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from reconciler.model.bounds import NARROWED_SAS
from schemas.addresses import Interval, merged, networks, parse_address, parse_cidr, without

Block: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""Local and remote selectors: traffic between any of the first and any of the second."""

_EVERY: Final = ""
"""No restriction to a protocol or to ports."""


def beyond(agreed: Iterable[str], desired: Iterable[str]) -> bool:
    """Whether selectors cover anything that the desired ones do not, whatever the protocols and ports. One
    that is not understood does."""
    wanted = merged(interval for interval, _ in _read(desired))
    return any(interval is None or any(without(interval, wanted)) for interval, _ in map(_selector, agreed))


def lacking(wanted: Block, carried: Sequence[Block]) -> tuple[Block, ...]:
    """What of the wanted traffic none of the blocks carries, in blocks that do not overlap; empty when all of
    it is carried. A block that is restricted to a protocol or to ports carries nothing as a whole."""
    if any(set(block[0]) == set(wanted[0]) and set(block[1]) == set(wanted[1]) for block in carried):
        return ()
    local, remote = (_apart(interval for interval, _ in _read(side)) for side in wanted)
    there = [(_whole(block[0]), _whole(block[1])) for block in carried[:NARROWED_SAS]]
    edges = {interval.first for side, _ in there for interval in side}
    edges |= {interval.last + 1 for side, _ in there for interval in side}
    # By what is lacking there: the networks that it is lacking of, each as far as that is so.
    missing: dict[tuple[Interval, ...], dict[Interval, list[Interval]]] = {}
    for network, part in ((interval, piece) for interval in local for piece in _cut(interval, edges)):
        covered = merged(
            interval
            for ours, theirs in there
            if any(own.contains(part) for own in ours)
            for interval in theirs
        )
        if rest := tuple(left for interval in remote for left in without(interval, covered)):
            missing.setdefault(rest, {}).setdefault(network, []).append(part)
    return tuple(
        (tuple(name for parts in ours.values() for name in _names(merged(parts))), _names(theirs))
        for theirs, ours in missing.items()
    )


def _apart(intervals: Iterable[Interval]) -> list[Interval]:
    """In order, each as it is, without those that lie in another."""
    found: list[Interval] = []
    for interval in sorted(intervals, key=lambda interval: (interval.first, -interval.last)):
        if not (found and found[-1].contains(interval)):
            found.append(interval)
    return found


def _cut(interval: Interval, edges: Iterable[int]) -> list[Interval]:
    """An interval in pieces that begin where others begin, and behind where they end."""
    starts = sorted({interval.first, *(edge for edge in edges if interval.first < edge <= interval.last)})
    ends = [start - 1 for start in starts[1:]] + [interval.last]
    return [Interval(start, end) for start, end in zip(starts, ends, strict=True)]


def _names(intervals: Iterable[Interval]) -> tuple[str, ...]:
    return tuple(name for interval in intervals for name in networks(interval))


def _whole(selectors: Iterable[str]) -> list[Interval]:
    return merged(interval for interval, restricted in _read(selectors) if restricted == _EVERY)


def _read(selectors: Iterable[str]) -> list[tuple[Interval, str]]:
    """Those that are understood."""
    found = map(_selector, selectors)
    return [(interval, restricted) for interval, restricted in found if interval is not None]


def _selector(text: str) -> tuple[Interval | None, str]:
    """One selector as list-sas prints it: `10.1.0.0/24`, `10.1.0.7..10.1.0.9`, `10.1.0.0/24[tcp/80]`
    (traffic_selector.c); the addresses, None where they are not IPv4, and what it is restricted to."""
    addresses, bracket, restricted = text.partition("[")
    first, dots, last = addresses.partition("..")
    try:
        if dots:
            return Interval(parse_address(first), parse_address(last)), bracket + restricted
        return parse_cidr(addresses if "/" in addresses else f"{addresses}/32"), bracket + restricted
    except ValueError:
        return None, bracket + restricted
