"""The sweep against netaddr, pair by pair."""

from __future__ import annotations

import itertools
import time

from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPNetwork, IPRange

from reconciler.validate.overlaps import overlapping
from schemas.addresses import Interval, parse_cidr

# Few and close, so that they do overlap.
CIDRS = st.builds(
    lambda number, length: str(IPNetwork(f"10.0.{number // 256}.{number % 256}/{length}").cidr),
    st.integers(0, 1023),
    st.integers(20, 32),
)
RANGES = st.builds(
    lambda first, length: Interval(first, first + length), st.integers(0, 60), st.integers(0, 15)
)


@given(st.lists(CIDRS, max_size=30))
def test_cidrs(cidrs: list[str]) -> None:
    networks = [IPNetwork(cidr) for cidr in cidrs]
    naive = {
        (i, j)
        for i, j in itertools.combinations(range(len(cidrs)), 2)
        if networks[i] in networks[j] or networks[j] in networks[i]
    }
    swept = list(overlapping([parse_cidr(cidr) for cidr in cidrs]))
    assert len(swept) == len(set(swept))
    assert set(swept) == naive


@given(st.lists(RANGES, max_size=30))
def test_ranges(intervals: list[Interval]) -> None:
    sets = [set(IPRange(part.first, part.last)) for part in intervals]
    naive = {
        (i, j) for i, j in itertools.combinations(range(len(sets)), 2) if not sets[i].isdisjoint(sets[j])
    }
    assert set(overlapping(intervals)) == naive


def test_twenty_thousand_networks_are_swept_at_once() -> None:
    intervals = [Interval(number * 256, number * 256 + 255) for number in range(20_000)]
    started = time.process_time()
    assert list(overlapping(intervals)) == []
    assert time.process_time() - started < 1.0
