"""Networks at two ends multiply: a tunnel, a router and a fabric hold so many pairs of them and no more."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.model.bounds import EXPOSED_WRITTEN, FIELDS_WRITTEN
from reconciler.operations.revisions import between
from reconciler.report.json.plan import plan_objects
from reconciler.validate import selectors
from tests.fuzz.limits import bounded
from tests.unit.validate.written import Data, document, network, peer, tunnel, validated

BUSY = 10.0
"""Seconds of processor time, which takes longer beside other work: enough to show what is not linear."""


def many_pairs(routers: int, tunnels: int, networks: int, version: int = 2) -> list[Data]:
    """So many tunnels on each router, of which each has so many networks at either end."""
    lans = [network(f"n{number}", f"10.1.{number}.0/24") for number in range(networks)]
    source = {"networks": [f"n{number}" for number in range(networks)]}
    made: list[Data] = [document("PublicNetwork", "wan", {"cidr": "203.0.0.0/16"}), *lans]
    for on in range(routers):
        attached = [
            {"network": f"n{number}", "interface": f"l{number}", "address": f"10.1.{number}.{on + 1}"}
            for number in range(networks)
        ]
        public = [{"network": "wan", "interface": "wan0", "address": f"203.0.113.{on + 2}"}]
        made.append(document("VpcRouter", f"r{on}", {"publicNetworks": public, "vpcNetworks": attached}))
        made += [
            tunnel(
                f"r{on:02}-t{number:02}",
                router=f"r{on}",
                source=source,
                ike={"version": version},
                peer=peer(
                    *(f"10.{2 + number}.{net}.0/24" for net in range(networks)),
                    address=f"198.51.100.{number + 1}",
                ),
            )
            for number in range(tunnels)
        ]
    return made


@pytest.mark.parametrize(
    ("multiplied", "where", "said"),
    [
        (
            (1, 1, 255),
            "r00-t00",
            "the tunnel carries 65,025 pairs of a source and a peer network; at most 4,096",
        ),
        ((1, 1, 33, 1), "r00-t00", "at most 1,024 are supported with IKEv1, which needs an SA for each"),
        (
            (1, 7, 64),
            "r00-t06",
            "the router 'r0' has 28,672 pairs of a source and a peer network; at most 25,000",
        ),
        ((3, 5, 64), "r02-t02", "there are 53,248 pairs of a source and a peer network; at most 50,000"),
    ],
    ids=["tunnel", "IKEv1", "router", "fabric"],
)
def test_networks_that_multiply_are_bounded(multiplied: tuple[int, ...], where: str, said: str) -> None:
    _, found = validated(many_pairs(*multiplied))
    first, *_ = [item for item in found if item.code == "too-many-pairs"]
    assert {item.code for item in found} == {"too-many-pairs"}
    assert first.path == "spec.peer.cidrs"
    assert said in first.message
    written = many_pairs(*multiplied)[first.location.line // 2]
    assert written["metadata"] == {"name": where}


@pytest.fixture
def as_a_command() -> Iterator[None]:
    """Commands look for no cycles (`reconciler.cli.main.entry`)."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("as_a_command")
def test_what_a_fabric_can_hold_is_planned_within_the_limits() -> None:
    """As many pairs as any number of documents may multiply to, from their text to the saved plan."""
    documents = many_pairs(3, 4, 64)
    with bounded(BUSY):
        full, found = validated(documents)
        assert not found.errors
        plan = between(replace(full, tunnels={}), full, datetime.now(UTC)).plan
        assert list(plan_objects(plan))
    assert sum(len(change.changes) for change in plan.changes if change.resource.kind == "firewall") > 90_000


def test_a_large_fleet_may_have_two_networks_at_either_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is on what few documents multiply to, not on how many there are."""
    monkeypatch.setattr(selectors, "MOST_PAIRS", 40)
    assert not validated(many_pairs(2, 10, 2))[1].errors
    assert [item.code for item in validated(many_pairs(2, 10, 3))[1].errors] == ["too-many-pairs"] * 12


@pytest.mark.parametrize(
    "multiplied", [(1, 1, 64), (1, 1, 32, 1), (1, 3, 64)], ids=["tunnel", "IKEv1", "tunnels"]
)
def test_what_a_router_can_hold_is_planned_within_the_limits(multiplied: tuple[int, ...]) -> None:
    """From nothing, to other networks at every end, and back to nothing."""
    documents = many_pairs(*multiplied)
    full, found = validated(documents)
    assert not found.errors
    moved, found = validated(json.loads(json.dumps(documents).replace('"10.', '"11.')))
    assert not found.errors
    none = replace(full, tunnels={})
    for before, after in ((none, full), (full, moved), (full, none)):
        with bounded(BUSY):
            plan = between(before, after, datetime.now(UTC)).plan
        assert not plan.empty
        written = list(plan_objects(plan))
        tables = [item for item in written if item.get("kind") == "firewall"]
        assert all(len(item["changes"]) == FIELDS_WRITTEN for item in tables if "more_changes" in item)
        for item in tables:
            [change] = [c for c in plan.changes if c.resource.kind == "firewall"]
            assert len(item["changes"]) + item.get("more_changes", 0) == len(change.changes)
        exposed = [item for item in written if item["type"] == "exposed"]
        assert len(exposed) == min(len(plan.exposed), EXPOSED_WRITTEN)
        assert len(exposed) + written[-1].get("more_exposed", 0) == len(plan.exposed)
