"""What CHILD_SAs carry beside what is wanted: in any notation, in any parts."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.facets.sas.selectors import Block, beyond, lacking

HERE, MORE, THERE, BEHIND = "10.1.0.0/24", "10.9.0.0/24", "10.2.0.0/24", "10.3.0.0/24"
WHOLE: Block = ((HERE, MORE), (THERE, BEHIND))


@pytest.mark.parametrize(
    ("carried", "missing"),
    [
        ([WHOLE], ()),
        ([((MORE, HERE), (BEHIND, THERE))], ()),
        ([((HERE,), (THERE, BEHIND)), ((MORE,), (THERE, BEHIND))], ()),
        ([((HERE, MORE), ("0.0.0.0/0",))], ()),
        ([((HERE,), (THERE, BEHIND))], (((MORE,), (THERE, BEHIND)),)),
        ([((HERE,), (THERE,))], (((HERE,), (BEHIND,)), ((MORE,), (THERE, BEHIND)))),
        ([((HERE, MORE), ("10.2.0.0/25", BEHIND))], (((HERE, MORE), ("10.2.0.128/25",)),)),
        ([(("10.1.0.0/25", MORE), (THERE, BEHIND))], ((("10.1.0.128/25",), (THERE, BEHIND)),)),
        ([(("10.1.0.0..10.1.0.255", MORE), (THERE, BEHIND))], ()),
        # One pair at a time, as some peers take them.
        ([((HERE,), (THERE,)), ((MORE,), (BEHIND,))], (((HERE,), (BEHIND,)), ((MORE,), (THERE,)))),
        # What is restricted to ports, or not understood, carries nothing as a whole.
        ([((HERE, "10.9.0.0/24[tcp/80]"), (THERE, BEHIND))], (((MORE,), (THERE, BEHIND)),)),
        ([((HERE, "2001:db8::/64"), (THERE, BEHIND))], (((MORE,), (THERE, BEHIND)),)),
        ([], ((WHOLE[0], WHOLE[1]),)),
    ],
)
def test_what_is_lacking_is_reported_in_blocks(carried: list[Block], missing: tuple[Block, ...]) -> None:
    assert lacking(WHOLE, carried) == missing


CIDRS = st.builds(
    lambda first, length: str(IPv4Network((IPv4Address("10.0.0.0") + first, length), strict=False)),
    st.integers(0, 15),
    st.integers(28, 32),
)
BLOCKS = st.tuples(st.lists(CIDRS, min_size=1, max_size=3), st.lists(CIDRS, min_size=1, max_size=3))


@given(BLOCKS, st.lists(BLOCKS, max_size=4))
def test_every_pair_of_addresses_is_carried_or_lacking(
    wanted: tuple[list[str], list[str]], carried: list[tuple[list[str], list[str]]]
) -> None:
    def pairs(block: tuple[list[str], list[str]] | Block) -> set[tuple[int, int]]:
        ours, theirs = ({int(a) for cidr in side for a in IPv4Network(cidr)} for side in block)
        return {(one, other) for one in ours for other in theirs}

    blocks = [(tuple(ours), tuple(theirs)) for ours, theirs in carried]
    rest = lacking((tuple(wanted[0]), tuple(wanted[1])), blocks)
    missing = [pairs(block) for block in rest]
    assert set().union(*missing) == pairs(wanted) - set().union(*map(pairs, blocks))
    assert sum(map(len, missing)) == len(set().union(*missing)), "no two blocks overlap"


@pytest.mark.parametrize(
    ("agreed", "more"),
    [
        ((HERE,), False),
        (("10.1.0.0/25",), False),
        (("10.1.0.7..10.1.0.9",), False),
        (("10.1.0.0/24[udp]",), False),
        (("10.0.0.0/8",), True),
        ((BEHIND,), True),
        ((HERE, "nonsense"), True),
    ],
)
def test_what_is_carried_beyond_the_desired(agreed: tuple[str, ...], more: bool) -> None:
    assert beyond(agreed, (HERE, MORE)) is more
