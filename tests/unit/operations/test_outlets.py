"""What the NAT rules of a router do to traffic that a plan lets out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.errors import CommandRejected
from reconciler.routers.protocol import HostInspection
from tests.contract.sites import Site, memory_site
from tests.converged import assert_converged

CHAIN = {"family": "ip", "table": "nat", "name": "post", "type": "nat", "hook": "postrouting", "prio": 100}


def rule(*expr: dict[str, Any]) -> dict[str, Any]:
    return {"rule": {"family": "ip", "table": "nat", "chain": "post", "handle": 4, "expr": list(expr)}}


def match(left: dict[str, Any], right: object) -> dict[str, Any]:
    return {"match": {"op": "==", "left": left, "right": right}}


BY_WAN = match({"meta": {"key": "oifname"}}, "eth0")
BY_OTHER = match({"meta": {"key": "oifname"}}, "eth7")
FROM_THERE = match(
    {"payload": {"protocol": "ip", "field": "saddr"}}, {"prefix": {"addr": "10.1.0.0", "len": 16}}
)
MARKED = match({"meta": {"key": "mark"}}, 7)
NOT_INSIDE = {"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": {"set": ["eth1", "eth2"]}}}
MASQUERADE = {"masquerade": None}
SNAT = {"snat": {"addr": "203.0.113.1"}}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = memory_site(tmp_path)
    assert_converged(found.apply())
    return found


def traffic(site: Site, monkeypatch: pytest.MonkeyPatch, *rules: dict[str, Any]) -> object:
    """What the plan that removes the tunnel says of its traffic at paris."""
    host = site.connect("paris").host
    said = json.dumps({"nftables": [{"chain": CHAIN}, *rules]})
    monkeypatch.setattr(host, "inspect", lambda: HostInspection(said, "[]"))
    return way_out(site)


def way_out(site: Site) -> object:
    plan = site.preview(replace(site.fabric, tunnels={})).plan
    [change] = [item for item in plan.changes if str(item.resource) == "paris/tunnel/paris-tokyo"]
    [field] = [item for item in change.changes if item.path == "traffic[10.1.0.0/24 10.2.0.0/24]"]
    return field.after


@pytest.mark.parametrize(
    ("expressions", "way"),
    [
        ([], "in the clear"),
        ([BY_WAN, MASQUERADE], "masqueraded"),
        ([FROM_THERE, SNAT], "masqueraded"),
        ([FROM_THERE, NOT_INSIDE, MASQUERADE], "masqueraded"),
        ([BY_OTHER, MASQUERADE], "in the clear"),
        ([MARKED, MASQUERADE], "in the clear or masqueraded"),
        ([{"accept": None}], "in the clear"),
    ],
)
def test_the_rules_of_the_router_decide(
    site: Site, monkeypatch: pytest.MonkeyPatch, expressions: list[dict[str, Any]], way: str
) -> None:
    assert traffic(site, monkeypatch, *([rule(*expressions)] if expressions else [])) == way


def test_a_router_that_does_not_report_its_rules_is_planned_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> HostInspection:
        raise CommandRejected("no nft here", router="paris", operation="inspect")

    monkeypatch.setattr(site.connect("paris").host, "inspect", refuse)
    assert way_out(site) == "in the clear or masqueraded"


def test_the_rules_are_not_asked_for_where_nothing_is_let_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> HostInspection:
        raise AssertionError("the rules are not asked for here")

    for name in ("paris", "tokyo"):
        monkeypatch.setattr(site.connect(name).host, "inspect", refuse)
    disabled = {name: replace(tunnel, enabled=False) for name, tunnel in site.fabric.tunnels.items()}
    assert not site.preview(replace(site.fabric, tunnels=disabled)).plan.empty
    assert site.preview().plan.empty
