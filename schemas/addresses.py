"""IPv4 addresses and CIDRs as text and as integers: strict parsing, canonical output."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, summarize_address_range
from typing import NamedTuple

_BITS = 32
_ALL = 2**_BITS - 1


class Interval(NamedTuple):
    """An inclusive range of IPv4 addresses as integers."""

    first: int
    last: int

    def overlaps(self, other: Interval) -> bool:
        """True when at least one address is in both."""
        return self.first <= other.last and other.first <= self.last

    def contains(self, other: Interval) -> bool:
        """True when all of the other is inside this one."""
        return self.first <= other.first and other.last <= self.last

    def includes(self, address: str) -> bool:
        """True when the address is in it. Raises ValueError for what is no address."""
        return self.first <= parse_address(address) <= self.last


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same addresses in intervals that are sorted and apart."""
    found: list[Interval] = []
    for interval in sorted(intervals):
        if found and interval.first <= found[-1].last + 1:
            found[-1] = Interval(found[-1].first, max(found[-1].last, interval.last))
        else:
            found.append(interval)
    return found


def without(interval: Interval, others: Sequence[Interval]) -> Iterator[Interval]:
    """What is left of an interval, of others that are sorted and apart (`merged`)."""
    start = interval.first
    index = max(bisect_right(others, (start, start)) - 1, 0)
    while index < len(others) and others[index].first <= interval.last:
        other = others[index]
        if other.last >= start:
            if other.first > start:
                yield Interval(start, other.first - 1)
            start = other.last + 1
        index += 1
    if start <= interval.last:
        yield Interval(start, interval.last)


@lru_cache(maxsize=65_536)
def networks(interval: Interval) -> tuple[str, ...]:
    """An interval as the fewest CIDRs, in order."""
    return tuple(map(str, summarize_address_range(IPv4Address(interval.first), IPv4Address(interval.last))))


class HostBitsError(ValueError):
    """A CIDR names a host, not a network. `network` is the CIDR without the host bits."""

    def __init__(self, network: str) -> None:
        super().__init__(network)
        self.network = network


@lru_cache(maxsize=65_536)
def parse_address(text: str) -> int:
    """Dotted-quad IPv4 address -> integer.

    Raises ValueError for anything else, leading zeros included: `010` is 8 to some tools, 10 to others.
    """
    try:
        return int(IPv4Address(text))
    except AddressValueError as error:
        raise ValueError(str(error)) from None


def is_address(text: str) -> bool:
    """True for what `parse_address` accepts."""
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def format_address(number: int) -> str:
    """Integer -> dotted quad."""
    return str(IPv4Address(number))


@lru_cache(maxsize=65_536)
def parse_cidr(text: str) -> Interval:
    """`10.1.0.0/24` -> its first and last address.

    Raises HostBitsError when the address has bits beyond the prefix, ValueError when it is no CIDR.
    """
    address, slash, length = text.partition("/")
    if not slash:
        raise ValueError("the prefix length is missing")
    first = parse_address(address)
    if not (length.isascii() and length.isdigit()) or str(int(length)) != length or int(length) > _BITS:
        raise ValueError(f"the prefix length {length!r} is not 0 to {_BITS}")
    hosts = _ALL >> int(length)
    if first & hosts:
        raise HostBitsError(f"{format_address(first & ~hosts)}/{length}")
    return Interval(first, first | hosts)


def prefix_length(cidr: str) -> int:
    """The number of network bits of a CIDR that `parse_cidr` accepts."""
    return int(cidr.rpartition("/")[2])
