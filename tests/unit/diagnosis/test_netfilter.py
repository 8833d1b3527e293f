"""The evaluator against rules as `nft -j list ruleset` prints them."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.diagnosis.netfilter import Packet, dropped, read, translated
from reconciler.model.errors import AnswerNotUnderstood

IKE = Packet("203.0.113.10", "203.0.113.20", 17, 500, ("wan0", None))
INNER = Packet("10.1.0.10", "10.2.0.10", 1, interfaces=(None, "ipsec0"))


def payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def match(left: dict[str, Any], right: object, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


def table(*rules: list[dict[str, Any]], hook: str = "input", kind: str = "filter", **chain: Any) -> list[Any]:
    here = {"family": "inet", "table": "foreign"}
    base = {**here, "name": "base", "type": kind, "hook": hook, "prio": 0, "policy": "accept", **chain}
    numbered = [
        {"rule": {**here, "chain": "base", "handle": n, "expr": rule}} for n, rule in enumerate(rules, 1)
    ]
    return [{"metainfo": {}}, {"table": here}, {"chain": base}, *numbered]


PORTS = match(payload("udp", "dport"), {"set": [500, 4500]})
DROP, ACCEPT = {"drop": None}, {"accept": None}
ESTABLISHED = match({"ct": {"key": "state"}}, ["established"], "in")


@pytest.mark.parametrize(
    ("rules", "drops"),
    [
        ([[PORTS, {"counter": {"packets": 1, "bytes": 1}}, DROP]], True),
        ([[match(payload("udp", "dport"), 4500), DROP]], False),
        ([[match(payload("udp", "dport"), {"range": [400, 600]}), {"reject": {}}]], True),
        ([[match(payload("tcp", "dport"), 22, "!="), DROP]], False),
        ([[match(meta("l4proto"), "udp"), DROP]], True),
        ([[match(meta("l4proto"), 50), DROP]], False),
        ([[match(meta("iifname"), "wan*"), DROP]], True),
        ([[match(meta("iifname"), "lan0"), DROP]], False),
        ([[match(payload("ip", "saddr"), {"prefix": {"addr": "203.0.113.0", "len": 24}}), DROP]], True),
        ([[match(payload("ip", "saddr"), {"range": ["203.0.113.1", "203.0.113.9"]}), DROP]], False),
        ([[match(payload("ip", "saddr"), "203.0.113.10", "!="), DROP]], False),
        ([[PORTS, ACCEPT], [DROP]], False),
        ([[ESTABLISHED, ACCEPT], [DROP]], False),
        ([[ESTABLISHED, DROP]], False),
        ([[{"limit": {"rate": 5}}, DROP]], False),
        ([[{"xt": {"type": "match"}}, DROP]], False),
        ([[{"vmap": {}}], [DROP]], False),
        ([[{"log": {}}], [DROP]], True),
    ],
)
def test_only_a_certain_drop_is_one(rules: list[list[dict[str, Any]]], drops: bool) -> None:
    assert (dropped(table(*rules), "input", IKE) is not None) is drops


def test_the_rule_is_named() -> None:
    verdict = dropped(table([match(meta("l4proto"), "tcp"), DROP], [PORTS, DROP]), "input", IKE)
    assert verdict is not None
    assert (verdict.action, verdict.rule) == (
        "drop",
        "the rule with handle 2 of chain base of table inet foreign",
    )


def test_a_policy_drops_what_no_rule_accepts() -> None:
    verdict = dropped(table([match(meta("l4proto"), "tcp"), ACCEPT], policy="drop"), "input", IKE)
    assert verdict is not None
    assert verdict.rule == "the policy of chain base of table inet foreign"
    assert dropped(table([PORTS, ACCEPT], policy="drop"), "input", IKE) is None
    assert dropped(table([DROP], hook="output"), "input", IKE) is None


def test_jumps_sets_and_returns_are_followed() -> None:
    here = {"family": "inet", "table": "foreign"}
    others = [
        {"set": {**here, "name": "peers", "elem": [{"elem": {"val": "203.0.113.10", "counter": {}}}]}},
        {"chain": {**here, "name": "deep"}},
        {
            "rule": {
                **here,
                "chain": "deep",
                "handle": 9,
                "expr": [match(payload("ip", "saddr"), "@peers"), DROP],
            }
        },
    ]
    jumping = [*table([PORTS, {"jump": {"target": "deep"}}]), *others]
    verdict = dropped(jumping, "input", IKE)
    assert verdict is not None
    assert verdict.rule.startswith("the rule with handle 9 of chain deep")
    returning = table([PORTS, {"return": None}], [DROP])
    assert dropped(returning, "input", IKE) is None


def test_nat_that_is_asked_before_the_exemption() -> None:
    masquerade = [
        match(payload("ip", "saddr"), {"prefix": {"addr": "10.1.0.0", "len": 16}}),
        {"masquerade": None},
    ]
    early = table(masquerade, hook="postrouting", kind="nat", prio=80)
    late = table(masquerade, hook="postrouting", kind="nat", prio=100)
    verdict = translated(early, "postrouting", INNER)
    assert verdict is not None
    assert verdict.action == "masquerade"
    assert translated(late, "postrouting", INNER) is None
    kept = [match(payload("ip", "daddr"), {"prefix": {"addr": "10.2.0.0", "len": 24}}), {"return": None}]
    assert (
        translated(table(kept, masquerade, hook="postrouting", kind="nat", prio=80), "postrouting", INNER)
        is None
    )


def test_our_own_table_is_not_asked() -> None:
    ours = table([DROP])
    for entry in ours[1:]:
        next(iter(entry.values()))["table"] = "tunnelwright"
    assert dropped(ours, "input", IKE) is None


def test_chains_that_multiply_are_followed_so_far_and_then_undecided() -> None:
    """Ten jumps from each of twelve chains to the next would be a million million rules."""
    here = {"family": "inet", "table": "foreign"}
    rules = [
        {"rule": {**here, "chain": chain, "handle": 1, "expr": [{"jump": {"target": f"c{number}"}}]}}
        for number, chain in enumerate(["base", *(f"c{n}" for n in range(12))])
        for _ in range(10)
    ]
    dropping = {"rule": {**here, "chain": "base", "handle": 2, "expr": [DROP]}}
    assert dropped([*table(), *rules, dropping], "input", IKE) is None


@pytest.mark.parametrize(
    "expression",
    [
        "accept",
        {},
        {"match": None},
        {"match": {"op": "==", "left": {}, "right": 1}},
        {"match": {"op": "==", "left": meta("l4proto")}},
        match({"payload": ["ip"]}, 1),
        match(meta("iifname"), {"prefix": {"addr": "x", "len": 99}}),
        match(payload("ip", "saddr"), {"range": ["10.0.0.1"]}),
        match(payload("ip", "saddr"), {"set": 5}),
    ],
)
def test_an_expression_of_another_form_is_undecided(expression: Any) -> None:
    """What is behind it may drop the packet, or may not."""
    assert dropped(table([DROP]), "input", IKE) is not None
    assert dropped(table([expression, DROP]), "input", IKE) is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "it is not JSON"),
        ('{"nftables": {}}', "nftables: a section is not a list"),
        ('{"nftables": [{"chain": {"family": "ip", "table": "t"}}]}', "name: is missing"),
        ('{"nftables": [{"chain": {"family": "ip", "table": "t", "name": "c", "prio": "x"}}]}', "a priority"),
        (
            '{"nftables": [{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": 1}}]}',
            "1 is not a list",
        ),
    ],
)
def test_a_ruleset_of_another_form_is_not_understood(said: str, reason: str) -> None:
    with pytest.raises(AnswerNotUnderstood) as raised:
        read(said)
    assert reason in str(raised.value)
