"""What only one end of a tunnel holds, and what is too many: as charons have been seen to report it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.facets.sas.agreement import (
    Doomed,
    End,
    at_rest,
    dead,
    dropped,
    leftovers,
    missing,
    negotiating,
    surplus,
    unanswered,
)
from reconciler.model.router_config import ChildSa, IkeSa


def child(number: int, pair: str, state: str = "INSTALLED", packets: tuple[int, int] = (0, 0)) -> ChildSa:
    """One end of a CHILD_SA: `pair` is its SPIs, `in/out`; `packets` came in and went out."""
    spi_in, spi_out = pair.split("/")
    return ChildSa(
        id=str(number), name="net", state=state, spi_in=spi_in, spi_out=spi_out, protocol="ESP",
        encapsulated=False, algorithms="aes256-sha256", local_ts=("10.1.0.0/24",), remote_ts=("10.2.0.0/24",),
        bytes_in=0, packets_in=packets[0], bytes_out=0, packets_out=packets[1], age=1,
    )  # fmt: skip


def ike(number: int, *children: ChildSa, version: str = "2", state: str = "ESTABLISHED") -> IkeSa:
    return IkeSa(
        id=str(number), connection="tw-a", version=version, state=state, local_address="192.0.2.1",
        local_id="a", remote_address="192.0.2.2", remote_id="b", initiator=True,
        algorithms="aes256-sha256-modp2048", age=1, children=children,
    )  # fmt: skip


def pair(here: tuple[IkeSa, ...], there: tuple[IkeSa, ...]) -> tuple[End, End]:
    return End(here, there), End(there, here)


def test_what_crossed_is_closed_at_one_end_alone() -> None:
    here = (ike(1, child(1, "a/b")), ike(2, child(2, "c/d")))
    there = (ike(1, child(1, "b/a")), ike(2, child(2, "d/c")))
    ends = pair(here, there)
    assert not at_rest(ends)
    assert leftovers(ends, ends) == (Doomed(("1",), ("1",)), Doomed())


@pytest.mark.parametrize(
    ("version", "kept"),
    [("2", "1"), ("1", "2")],
    ids=["IKEv2: the one that this end sends by", "IKEv1: the one that the other end sends by"],
)
def test_nothing_is_closed_that_is_in_use(version: str, kept: str) -> None:
    """This end sends by the first, the other one by the second."""
    before = ike(1, child(1, "a/b"), child(2, "c/d"), version=version)
    used = (child(1, "a/b", packets=(0, 9)), child(2, "c/d", packets=(9, 0)))
    now = replace(before, children=used)
    [doomed] = leftovers([End((before,), None)], [End((now,), None)])
    assert doomed == Doomed(tuple({"1", "2"} - {kept}), ())


def test_an_ike_sa_that_the_other_end_dropped_is_ended_as_a_whole() -> None:
    """An INITIAL_CONTACT makes the other end forget it without a DELETE; it will not answer."""
    here = (replace(ike(1, child(1, "a/b")), spis="1/1", busy=True), ike(2, child(2, "c/d")))
    there = (ike(7, child(7, "d/c")),)
    ends = pair(here, there)
    assert not negotiating(ends[0]), "there is no answer to wait for"
    assert leftovers(ends, ends) == dead(ends, ends) == (Doomed((), ("1",)), Doomed())
    assert at_rest(pair(here[1:], there))
    half_made = replace(ike(7, state="CONNECTING"), spis="1/1")
    assert dropped(ends[0]) == here[:1]
    assert dropped(End(here, (half_made,))) == ()


def test_each_end_may_have_dropped_what_the_other_one_kept() -> None:
    ends = pair(
        (replace(ike(1, child(1, "a/b")), spis="1/1"),), (replace(ike(2, child(2, "d/c")), spis="2/2"),)
    )
    assert leftovers(ends, ends) == (Doomed((), ("1",)), Doomed((), ("2",)))


def test_what_ikev1_took_along_is_closed_where_it_is() -> None:
    here = (ike(2, child(2, "c/d"), version="1"),)
    there = (ike(2, child(1, "b/a", "REKEYED"), child(2, "d/c"), version="1"),)
    ends = pair(here, there)
    assert leftovers(ends, ends) == (Doomed(), Doomed(("1",), ()))


def test_one_look_is_not_enough_where_the_ends_are_read_one_after_the_other() -> None:
    first = pair((ike(1, child(1, "a/b")),), ())
    second = pair((ike(1, child(1, "a/b")),), (ike(1, child(1, "b/a")),))
    assert leftovers(first, second) == (Doomed(), Doomed())
    assert at_rest(second)


def test_sas_of_one_child_for_other_networks_are_no_surplus() -> None:
    """A peer that narrows selectors needs one for each."""
    other = replace(child(2, "c/d"), remote_ts=("10.3.0.0/24",))
    assert surplus([ike(1, child(1, "a/b"), other)]) == ()


def test_what_was_rekeyed_is_no_surplus_and_carries_nothing_new() -> None:
    running = [ike(1, child(1, "a/b", "REKEYED"), child(2, "c/d"), version="1")]
    assert surplus(running) == ()
    assert missing(running, ["net", "other"]) == ("other",)


def test_what_two_quick_modes_have_followed_crosswise_is_closed_but_for_one() -> None:
    """Each end has followed the one that the other end made last."""
    here = (ike(1, child(1, "a/b", "REKEYED"), child(2, "c/d"), version="1"),)
    there = (ike(1, child(1, "d/c", "REKEYED"), child(2, "b/a"), version="1"),)
    ends = pair(here, there)
    assert not at_rest(ends)
    assert leftovers(ends, ends) == (Doomed(("1",)), Doomed())


def test_what_another_one_has_followed_at_both_ends_is_closed() -> None:
    """Also where it was used last: its follower is new, and will be."""
    before = pair(
        (ike(1, child(1, "a/b", "REKEYED"), child(2, "c/d"), version="1"),),
        (ike(1, child(1, "b/a", "REKEYED"), child(2, "d/c"), version="1"),),
    )
    used = ike(1, child(1, "a/b", "REKEYED", (9, 9)), child(2, "c/d"), version="1")
    now = (replace(before[0], running=(used,)), before[1])
    assert leftovers(before, now) == (Doomed(("1",)), Doomed())


def test_an_exchange_in_which_the_peer_takes_no_part_is_reported() -> None:
    mine, theirs = (replace(ike(1, child(1, spis), version="1"), spis="x/y") for spis in ("a/b", "b/a"))
    busy = replace(mine, busy=True)
    assert unanswered(End((busy,), (theirs,))) == {"1"}
    assert not negotiating(End((busy,), (theirs,)), {"1"})
    assert not unanswered(End((mine,), (theirs,))), "nothing is asked"
    assert not unanswered(End((busy,), (replace(theirs, busy=True),))), "both negotiate"
    assert not unanswered(End((busy,), ())), "it has dropped the IKE_SA"
    assert not unanswered(End((replace(busy, version="2"),), (theirs,))), "IKEv2 answers each request"


def test_what_is_being_negotiated_is_waited_for() -> None:
    assert negotiating(End((ike(1, state="CONNECTING"),), None))
    assert negotiating(End((replace(ike(1, child(1, "a/b")), busy=True),), ()))
    assert not negotiating(End((ike(1, child(1, "a/b")),), ()))
