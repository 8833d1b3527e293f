"""Lists of SAs and events of charon -> what has happened to tunnels."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.facets import sas
from reconciler.facets.sas.events import EVENTS, decode
from reconciler.model import bounds
from reconciler.model.errors import AnswerNotUnderstood
from reconciler.model.router_config import IkeSa
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.observe.standing import Standing
from tests.fabrics import two_routers

UP, DOWN, REKEYED = TunnelChange.UP, TunnelChange.DOWN, TunnelChange.REKEYED
NOW = datetime(2026, 5, 9, 12, 0, tzinfo=UTC)
CONNECTION = "tw-paris-tokyo"


def ike(spi: str = "aa", children: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "uniqueid": "1",
        "version": "2",
        "state": "ESTABLISHED",
        "local-host": "203.0.113.11",
        "remote-host": "203.0.113.12",
        "initiator-spi": spi,
        "responder-spi": "bb",
        "established": "60",
        "child-sas": children or {},
        **fields,
    }


def child(spi: str, state: str = "INSTALLED", name: str = "net") -> dict[str, Any]:
    return {"name": name, "uniqueid": "7", "state": state, "spi-in": spi, "spi-out": "ff", "local-ts": []}


def updown(*spis: str, up: bool, ike_spi: str = "aa") -> dict[str, Any]:
    children = {f"net-{number}": child(spi) for number, spi in enumerate(spis)}
    return {**({"up": "yes"} if up else {}), CONNECTION: ike(ike_spi, children=children)}


def rekeyed(old: str, new: str) -> dict[str, Any]:
    pair = {"net": {"old": child(old, "REKEYING"), "new": child(new)}}
    return {CONNECTION: ike(children=pair)}


def running(*spis: str, ike_spi: str = "aa", state: str = "INSTALLED") -> list[IkeSa]:
    children = {f"net-{number}": child(spi, state) for number, spi in enumerate(spis)}
    return [sas.decode(CONNECTION, ike(ike_spi, children=children))] if spis else []


class Observed:
    """A router's tunnels, with a clock that moves a second with each event."""

    def __init__(self, listed: Iterable[IkeSa] = ()) -> None:
        tunnels = [tunnel for tunnel in two_routers().tunnels.values() if tunnel.router == "paris"]
        self.standing, self.now = Standing("paris", tunnels), NOW
        assert self.standing.listed(listed, NOW) == ()

    def receive(self, name: str, message: dict[str, Any]) -> list[TunnelEvent]:
        self.now += timedelta(seconds=1)
        return [
            change for event in decode(name, message) for change in self.standing.reported(event, self.now)
        ]

    def list(self, *spis: str, ike_spi: str = "aa", state: str = "INSTALLED") -> list[TunnelEvent]:
        self.now += timedelta(seconds=1)
        return [*self.standing.listed(running(*spis, ike_spi=ike_spi, state=state), self.now)]

    @property
    def up(self) -> bool:
        return ("paris-tokyo", "net") in self.standing.up()


def changes(events: Iterable[TunnelEvent]) -> list[TunnelChange]:
    return [event.change for event in events]


def test_a_second_child_sa_beside_the_first_is_no_event() -> None:
    """Make before break: up, up, down."""
    observed = Observed()
    assert changes(observed.receive("child-updown", updown("01", up=True))) == [UP]
    assert observed.receive("child-updown", updown("02", up=True)) == []
    assert observed.receive("child-updown", updown("01", up=False)) == []
    assert observed.up
    [down] = observed.receive("child-updown", updown("02", up=False))
    assert (down.change, down.seconds, down.child) == (DOWN, 3, "net")
    [up] = observed.receive("child-updown", updown("03", up=True))
    assert (up.change, up.seconds) == (UP, 1)


def test_a_rekey_takes_over_so_that_the_end_of_the_new_one_is_the_end() -> None:
    """No updown event reports a rekey."""
    observed = Observed(running("01"))
    [event] = observed.receive("child-rekey", rekeyed("01", "02"))
    assert (event.change, event.detail) == (REKEYED, "CHILD_SA")
    assert observed.receive("child-updown", updown("01", up=False)) == []
    assert changes(observed.receive("child-updown", updown("02", up=False))) == [DOWN]


def test_an_ike_sa_that_goes_takes_its_children() -> None:
    observed = Observed(running("01", "02"))
    assert observed.receive("ike-updown", {CONNECTION: ike(state="DELETING")}) == []
    assert observed.receive("child-updown", updown("01", up=False)) == []
    assert changes(observed.receive("child-updown", updown("02", up=False))) == [DOWN]


def test_what_was_so_at_the_beginning_has_an_age_and_is_no_event() -> None:
    observed = Observed(running("01"))
    assert observed.standing.up() == {("paris-tokyo", "net"): NOW - timedelta(seconds=60)}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (("01",), {"spis": ()}, [DOWN]),
        ((), {"spis": ("01",)}, [UP]),
        (("01",), {"spis": ("01",)}, []),
        (("01",), {"spis": ("01", "02")}, []),
        (("01",), {"spis": ("02",)}, []),
        (("01",), {"spis": ("02",), "ike_spi": "cc"}, [DOWN, UP]),
        (("01",), {"spis": ("01",), "ike_spi": "cc"}, []),
        (("01",), {"spis": ("01",), "state": "DELETED"}, [DOWN]),
    ],
    ids=[
        "it went down",
        "it came up",
        "nothing",
        "a second one beside it",
        "it was rekeyed",
        "charon has restarted",
        "the IKE_SA was rekeyed",
        "it is about to go",
    ],
)
def test_what_was_missed_is_found_by_comparison(
    before: tuple[str, ...], after: dict[str, Any], expected: list[TunnelChange]
) -> None:
    observed = Observed(running(*before))
    events = observed.list(*after.pop("spis"), **after)
    assert changes(events) == expected
    assert all(event.late for event in events)


def test_an_event_that_the_list_has_reported_already_says_nothing_new() -> None:
    """It came between the subscription and the list."""
    observed = Observed(running("02"))
    assert observed.receive("child-updown", updown("02", up=True)) == []
    assert observed.receive("child-updown", updown("01", up=False)) == []
    assert observed.up


def test_an_ike_sa_that_was_rekeyed_is_the_same_after_a_gap() -> None:
    observed = Observed(running("01"))
    [event] = observed.receive("ike-rekey", {CONNECTION: {"old": ike("aa"), "new": ike("cc")}})
    assert (event.change, event.detail) == (REKEYED, "IKE_SA")
    assert observed.list("02", ike_spi="cc") == []


def test_a_failed_attempt_is_one_that_was_never_established() -> None:
    observed = Observed()
    [event] = observed.receive("ike-updown", {CONNECTION: ike(state="CONNECTING")})
    assert event.change is TunnelChange.FAILED
    assert observed.receive("ike-updown", {CONNECTION: ike(state="DELETING")}) == []
    assert observed.receive("ike-updown", {"up": "yes", CONNECTION: ike()}) == []


@pytest.mark.parametrize("name", [CONNECTION, "(unnamed)"])
def test_an_alert_is_a_tunnels_by_name_or_by_addresses(name: str) -> None:
    observed = Observed()
    [event] = observed.receive("alert", {"type": "proposal-mismatch-ike", "ike-sa": {name: ike()}})
    assert (event.change, event.tunnel, event.detail) == (
        TunnelChange.ALERT,
        "paris-tokyo",
        "proposal-mismatch-ike",
    )
    elsewhere = {**ike(), "remote-host": "203.0.113.99"}
    assert observed.receive("alert", {"type": "ts-mismatch", "ike-sa": {"(unnamed)": elsewhere}}) == []


@pytest.mark.parametrize(
    "kind", ["ike-sa-expired", "retransmit-send", "cert-expired", "of a later release", "x" * 9999]
)
def test_an_alert_that_is_no_fault_of_a_tunnel_is_passed_over(kind: str) -> None:
    assert Observed().receive("alert", {"type": kind, "ike-sa": {CONNECTION: ike()}}) == []


def test_what_a_router_invents_costs_no_memory() -> None:
    observed = Observed()
    for number in range(100):
        body = ike(children={"x": child("01", name=f"child-{number}")})
        assert observed.receive("child-updown", {"up": "yes", f"tw-{number}": body}) == []
        assert observed.receive("child-updown", {"up": "yes", CONNECTION: body}) == []
    assert observed.standing.up() == {}
    assert observed.standing._states == {}


def test_only_the_tunnels_of_the_newest_state_count() -> None:
    observed = Observed(running("01"))
    observed.standing.follow(())
    assert observed.standing.up() == {}
    assert observed.receive("child-updown", updown("01", up=False)) == []


VALUES = st.recursive(
    st.text(max_size=4) | st.lists(st.text(max_size=4), max_size=2),
    lambda inner: st.dictionaries(
        st.sampled_from(
            [
                "up",
                CONNECTION,
                "child-sas",
                "net",
                "net-1",
                "old",
                "new",
                "name",
                "spi-in",
                "type",
                "ike-sa",
                "state",
            ]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)


@given(
    st.sampled_from([*EVENTS, "log", ""]),
    st.dictionaries(st.sampled_from([CONNECTION, "up", "type", "ike-sa"]), VALUES),
)
def test_a_message_of_any_shape_is_decoded_or_not_understood(name: str, message: dict[str, Any]) -> None:
    observed = Observed(running("01"))
    try:
        observed.receive(name, message)
    except AnswerNotUnderstood:
        return


@given(st.lists(st.sampled_from(["up", "down", "rekey"]), max_size=30))
def test_ups_and_downs_alternate_whatever_the_order(words: list[str]) -> None:
    """And a tunnel is up exactly where the last of them says so."""
    observed, number, there = Observed(), 0, []
    found = []
    for word in words:
        if word == "up":
            number += 1
            there.append(f"{number:x}")
            found += observed.receive("child-updown", updown(there[-1], up=True))
        elif word == "down" and there:
            found += observed.receive("child-updown", updown(there.pop(0), up=False))
        elif word == "rekey" and there:
            number += 1
            found += observed.receive("child-rekey", rekeyed(there.pop(), f"{number:x}"))
            there.append(f"{number:x}")
    turned = [event.change for event in found if event.change is not REKEYED]
    assert turned == [UP, DOWN] * (len(turned) // 2) + [UP] * (len(turned) % 2)
    assert observed.up is bool(there)


def test_no_more_child_sas_of_one_child_are_remembered_than_it_may_have() -> None:
    """A router may report any number of them, in one message or in many; one that has gone still counts."""
    observed = Observed()
    spis = [f"{number:x}" for number in range(1, 10 * bounds.SPIS_OF_CHILD)]
    observed.receive("child-updown", updown(*spis, up=True))
    for spi in spis:
        observed.receive("child-rekey", rekeyed("none", f"f{spi}"))
    observed.list(*spis)
    [state] = observed.standing._states.values()
    assert len(state.spis) == bounds.SPIS_OF_CHILD
    assert observed.up
    gone = [change.change for change in observed.receive("child-updown", updown(*spis, up=False))]
    assert (gone, observed.up) == ([DOWN], False)
