"""The sweep against netaddr, pair by pair."""

from __future__ import annotations

import itertools
import time

from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPNetwork, IPRange

from reconciler.validate.overlaps import overlapping, overlaps_before, overlaps_with
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


@given(st.lists(RANGES, max_size=30))
def test_each_pair_counts_once(intervals: list[Interval]) -> None:
    """As many as the pairs, however few of them are named; and what is named does overlap."""
    found = list(overlaps_before(intervals, most=2))
    assert sum(overlap.count for overlap in found) == len(set(overlapping(intervals)))
    assert len({overlap.index for overlap in found}) == len(found)
    for overlap in found:
        assert len(overlap.others) == min(overlap.count, 2)
        assert all(intervals[overlap.index].overlaps(intervals[other]) for other in overlap.others)


@given(st.lists(st.tuples(RANGES, st.sampled_from("abc")), max_size=30))
def test_intervals_of_one_group_do_not_count_against_one_another(parts: list[tuple[Interval, str]]) -> None:
    intervals, groups = [part for part, _ in parts], [group for _, group in parts]
    found = list(overlaps_before(intervals, groups))
    pairs = [pair for pair in overlapping(intervals) if groups[pair[0]] != groups[pair[1]]]
    assert sum(overlap.count for overlap in found) == len(pairs)
    assert all(groups[o.index] != groups[other] for o in found for other in o.others)


@given(st.lists(RANGES, max_size=20), st.lists(RANGES, max_size=20))
def test_one_kind_against_another(intervals: list[Interval], others: list[Interval]) -> None:
    found = {overlap.index: overlap for overlap in overlaps_with(intervals, others, most=2)}
    for index, interval in enumerate(intervals):
        naive = {other for other, part in enumerate(others) if interval.overlaps(part)}
        if not naive:
            assert index not in found
            continue
        assert found[index].count == len(naive)
        assert len(found[index].others) == min(len(naive), 2)
        assert set(found[index].others) <= naive


def test_twenty_thousand_networks_are_swept_at_once() -> None:
    intervals = [Interval(number * 256, number * 256 + 255) for number in range(20_000)]
    started = time.process_time()
    assert list(overlapping(intervals)) == []
    assert time.process_time() - started < 1.0
