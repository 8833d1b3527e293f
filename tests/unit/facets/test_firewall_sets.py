"""Elements of a set that overlap others are found without comparing each with each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPNetwork

from reconciler.facets.firewall import in_the_way
from reconciler.model.router_config import Pair
from tests.fuzz.limits import bounded

PARTS = st.one_of(
    st.builds(
        lambda n, length: str(IPNetwork(f"10.0.0.{n}/{length}").cidr),
        st.integers(0, 255),
        st.integers(24, 32),
    ),
    st.builds(
        lambda a, b: f"10.0.0.{min(a, b)}-10.0.0.{max(a, b)}", st.integers(0, 255), st.integers(0, 255)
    ),
    st.builds(lambda n: f"10.0.0.{n}", st.integers(0, 255)),
)
PAIRS = st.frozensets(st.tuples(PARTS, PARTS), max_size=6)


def ends(part: str) -> tuple[int, int]:
    if "-" in part:
        first, last = (int(IPNetwork(end).first) for end in part.split("-"))
        return first, last
    network = IPNetwork(part)
    return int(network.first), int(network.last)


def overlap(one: Pair, other: Pair) -> bool:
    spans = [(ends(a), ends(b)) for a, b in zip(one, other, strict=True)]
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in spans)


@given(PAIRS, PAIRS)
def test_what_overlaps_gives_way_and_nothing_else(added: frozenset[Pair], removed: frozenset[Pair]) -> None:
    wanted = {pair for pair in removed if any(overlap(pair, other) for other in added)}
    assert in_the_way(added, removed) == wanted


def test_all_elements_of_a_router_are_exchanged_within_the_limits() -> None:
    added, removed = (
        frozenset((f"10.1.{near}.0/24", f"{first}.2.{far}.0/24") for near in range(100) for far in range(250))
        for first in (10, 11)
    )
    with bounded():
        assert in_the_way(added, removed) == frozenset()
        assert in_the_way(added, added) == added
