"""The table as nft lists it, with what an administrator may have put into it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.facets import firewall
from reconciler.facets.firewall import nft_listing
from reconciler.model.errors import AnswerNotUnderstood
from reconciler.model.router_config import Firewall, LiveFirewall

HERE = {"family": "inet", "table": "tunnelwright"}
PAIRS = ["ipv4_addr", "ipv4_addr"]
WANTED = Firewall(guarded=frozenset({("10.1.0.0/24", "10.2.0.0/16")}))


def listing(*entries: dict[str, Any], table: dict[str, Any] | None = None) -> str:
    """WANTED as nftables 1.0.6 lists it, and more."""
    commands = json.loads(firewall.rebuild(WANTED, {}))["nftables"]
    ours = [c["add"] for c in commands if "add" in c and "table" not in c["add"]]
    named = {"table": {"family": "inet", "name": "tunnelwright", "handle": 1, **(table or {})}}
    meta = {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}
    return json.dumps({"nftables": [meta, named, *ours, *entries]})


def decoded(said: str) -> LiveFirewall:
    live = nft_listing.decode(said)
    assert live is not None
    return live


def elements(name: str, *found: object, **more: object) -> dict[str, Any]:
    flags = {"flags": list(firewall.SETS[name])} if firewall.SETS[name] else {}
    body = {**HERE, "name": name, "type": PAIRS, "handle": 2, **flags, "elem": list(found), **more}
    return {"set": body}


def prefix(address: str, length: int) -> dict[str, Any]:
    return {"prefix": {"addr": address, "len": length}}


def test_what_was_loaded_is_alike() -> None:
    live = decoded(listing())
    assert firewall.same_rules(WANTED, live)
    assert live.unlike == ()


def test_names_of_protocols_are_numbers() -> None:
    """nft prints `esp` where there is an /etc/protocols, and 50 where there is none."""
    assert firewall.same_rules(WANTED, decoded(listing().replace('"right": 50', '"right": "esp"')))


@pytest.mark.parametrize(
    ("entry", "unlike"),
    [
        ({"set": {**HERE, "name": "other", "type": "ipv4_addr", "handle": 5}}, ("set other", "present")),
        ({"map": {**HERE, "name": "m", "type": "ipv4_addr", "map": "verdict"}}, ("map m", "present")),
        ({"counter": {**HERE, "name": "c", "packets": 0, "bytes": 0}}, ("counter c", "present")),
        ({"flowtable": {**HERE, "name": "f", "hook": "ingress"}}, ("flowtable f", "present")),
        (elements("peers", size=100, timeout=9), ("set peers", "with size, timeout")),
        (elements("peers", stmt=[{"counter": None}]), ("set peers", "with statements")),
        (elements("peers", flags=["timeout"], timeout=9), ("set peers", "with timeout")),
        (elements("peers", flags="timeout"), ("set peers", "with timeout")),
        (elements("guarded", flags=[]), ("set guarded", "with no interval")),
        (elements("guarded", type="ipv4_addr"), ("set guarded", "of another type")),
        (elements("guarded", type={"typeof": {"concat": []}}), ("set guarded", "of another type")),
    ],
)
def test_what_is_not_ours_is_to_go(entry: dict[str, Any], unlike: tuple[str, str]) -> None:
    [change] = decoded(listing(entry)).unlike
    assert (change.path, change.before) == unlike


@pytest.mark.parametrize(
    "said",
    [
        listing(table={"flags": ["dormant"]}),
        listing(table={"flags": "c"}),
        # nftables 1.0.6 prints no more than this.
        '{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "inet", "name": '
        '"tunnelwright", "handle": 1, "flags": \n',
    ],
)
def test_a_dormant_table_guards_nothing(said: str) -> None:
    [change] = decoded(said).unlike
    assert (change.path, change.before) == ("table", "with flags")


@pytest.mark.parametrize(
    ("element", "pair"),
    [
        (
            {"concat": [{"range": ["10.9.0.1", "10.9.0.5"]}, prefix("10.1.9.0", 24)]},
            ("10.9.0.1-10.9.0.5", "10.1.9.0/24"),
        ),
        (
            {"concat": [prefix("128.0.0.0", 1), prefix("10.1.9.1", 32)]},
            ("128.0.0.0/1", "10.1.9.1"),
        ),
        ({"elem": {"val": {"concat": ["10.1.0.9", "10.3.0.7"]}, "comment": "x"}}, ("10.1.0.9", "10.3.0.7")),
    ],
)
def test_an_element_that_was_typed_by_hand_is_one(element: dict[str, Any], pair: tuple[str, str]) -> None:
    live = decoded(listing(elements("guarded", element)))
    assert pair in live.guarded
    _, removed = firewall.differences(WANTED, live)["guarded"]
    assert removed == {pair}


def test_what_an_element_has_besides_is_named_without_its_value() -> None:
    """A value that changes by itself would make each plan another one."""
    element = {"val": {"concat": ["10.1.0.9", "10.3.0.7"]}, "timeout": 60, "expires": 59, "comment": "x"}
    live = decoded(listing(elements("peers", {"elem": {**element, "counter": {"packets": 1, "bytes": 2}}})))
    [change] = live.unlike
    assert (change.path, change.before) == ("peers[10.1.0.9 10.3.0.7]", "with comment, counter, timeout")
    assert live.peers == {("10.1.0.9", "10.3.0.7")}


def test_a_network_among_peers_goes_with_the_set() -> None:
    """Our set has no intervals: it could not be kept in a table that is made anew."""
    network = {"concat": [prefix("10.0.0.0", 8), "10.0.0.1"]}
    live = decoded(listing(elements("peers", network, flags=["interval"])))
    assert {change.path for change in live.unlike} == {"set peers", "peers[10.0.0.0/8 10.0.0.1]"}
    assert live.peers == frozenset()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("nonsense", "it is not JSON"),
        ('{"nftables": 5}', "nftables: 5 is not a list"),
        ('{"nftables": [[]]}', "a list is not a section"),
        ('{"nftables": [{"rule": {"expr": []}}]}', "chain: is missing"),
        ("[" * 100_000, "nested too deep"),
        ('{"nftables": [' + "[" * 50 + "]" * 50 + "]}", "nested more than 40 levels deep"),
        ('{"nftables": NaN}', "NaN is not a number"),
        (f'{{"nftables": [{{"table": {"9" * 5000}}}]}}', "it is not JSON"),
        (listing(elements("guarded", 5)), "guarded: 5 is not a section"),
        (listing(elements("guarded", {"concat": ["10.1.0.1"]})), "is not an element of 2 parts"),
        (listing(elements("guarded", {"concat": ["10.1.0.1", "::1"]})), "'::1' is not an IPv4 address"),
        (
            listing(elements("guarded", {"concat": ["10.1.0.1", {"range": ["10.0.0.9", "10.0.0.1"]}]})),
            "a section is not an IPv4 address, network or range",
        ),
        (
            listing(elements("guarded", {"concat": ["10.1.0.1", prefix("10.0.0.9", 8)]})),
            "a section is not an IPv4 address, network or range",
        ),
        (listing({"set": {"name": "\ud800", "type": PAIRS}}), "is not text that can be encoded"),
    ],
)
def test_any_other_answer_is_not_understood(said: str, reason: str) -> None:
    with pytest.raises(
        AnswerNotUnderstood, match="its answer was not understood: nft list table: "
    ) as raised:
        nft_listing.decode(said)
    assert reason in str(raised.value)
    assert len(str(raised.value)) < 300
