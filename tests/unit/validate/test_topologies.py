"""A topology is the connections of its pairs, as if each were written."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.diagnosis.finding import found as finding
from reconciler.diagnosis.finding import locate
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import Fabric, Origin
from reconciler.model.plan import Disruption
from reconciler.operations.revisions import between
from reconciler.validate import shapes, topologies
from reconciler.validate.connections import expanded_catalog
from tests.unit.validate.test_connections import WAN, read_documents, without_places
from tests.unit.validate.written import document, network, validated

Data = dict[str, Any]


def site(number: int, **labels: str) -> list[Data]:
    name = f"r{number}"
    router: Data = {
        "publicNetworks": [{"network": "wan", "interface": "wan0", "address": f"203.0.113.{number}"}],
        "vpcNetworks": [
            {"network": f"{name}-{net}", "interface": f"lan{net}", "address": f"10.{number}.{net}.1"}
            for net in (0, 1)
        ],
    }
    networks = [network(f"{name}-{net}", f"10.{number}.{net}.0/24") for net in (0, 1)]
    return [*networks, document("VpcRouter", name, router, labels=labels)]


def sites(*numbers: int) -> list[Data]:
    return [WAN, *(part for number in numbers for part in site(number, role="branch"))]


COMMON: Data = {"ike": {"dhGroup": 14}, "ipsec": {"lifetime": 900}, "enabled": False, "description": "all"}


def topology(name: str = "t", *, formerly: Sequence[str] = (), **spec: Any) -> Data:
    body = {
        "vip": {"system": True},
        "authentication": {"mode": "psk", "key": {"file": "{a}--{b}.psk"}},
        **COMMON,
        **spec,
    }
    return document("IPsecTopology", name, body, **({"previousNames": [*formerly]} if formerly else {}))


def connection(a: int, b: int, **spec: object) -> Data:
    ends = [
        {"router": f"r{number}", "vip": {"system": True}, "networks": [f"r{number}-0", f"r{number}-1"]}
        for number in (a, b)
    ]
    key = {"file": f"r{a}--r{b}.psk"}
    body = {"ends": ends, "authentication": {"mode": "psk", "key": key}, **COMMON, **spec}
    return document("IPsecConnection", f"t-r{a}-r{b}", body)


BRANCHES: Data = {"labels": {"role": "branch"}}
SHAPES: list[tuple[Data, list[tuple[int, int]]]] = [
    ({"mesh": BRANCHES}, list(combinations((1, 2, 3, 4), 2))),
    ({"mesh": {"routers": ["r3", "r1"]}}, [(1, 3)]),
    ({"star": {"hubs": {"routers": ["r2"]}, "members": BRANCHES}}, [(1, 2), (2, 3), (2, 4)]),
    (
        {"star": {"hubs": {"routers": ["r2", "r3"]}, "members": {"routers": ["r4", "r1"]}}},
        [(1, 2), (1, 3), (2, 4), (3, 4)],
    ),
    ({"pairs": [["r1", "r2"], ["r3", "r2"], ["r4", "r1"]]}, [(1, 2), (2, 3), (1, 4)]),
]


@pytest.mark.parametrize(("shape", "pairs"), SHAPES)
def test_a_topology_is_the_connections_of_its_pairs(shape: Data, pairs: list[tuple[int, int]]) -> None:
    there = [*sites(1, 2, 3, 4), *site(5, role="office"), *site(6)]
    one, found = validated([*there, topology(**shape)])
    assert list(found) == []
    many, found = validated([*there, *(connection(*pair) for pair in pairs)])
    assert list(found) == []
    assert len(one.tunnels) == 2 * len(pairs)
    assert without_places(one) == without_places(many)


def test_a_new_site_is_a_router_with_a_label_and_touches_nothing_else() -> None:
    shape = topology(star={"hubs": {"routers": ["r1"]}, "members": BRANCHES}, enabled=True)
    before, _ = validated([*sites(1, 2, 3), shape])
    after, found = validated([*sites(1, 2, 3, 4), shape])
    assert list(found) == []
    changes = between(before, after, datetime.now(UTC)).plan.changes
    tunnels = {change.resource.name for change in changes if change.resource.kind == "tunnel"}
    assert tunnels == {"t-r1-r4-r1", "t-r1-r4-r4"}
    assert {change.resource.router for change in changes} == {"r1", "r4"}


TWICE = topology("u", pairs=[["r5", "r1"]])


@settings(max_examples=10)
@given(data=st.data())
@pytest.mark.parametrize("shape", [shape for shape, _ in SHAPES])
def test_the_order_of_documents_has_no_meaning(shape: Data, data: st.DataObject) -> None:
    there = [*sites(1, 2, 3, 4), *site(5), topology(**shape), TWICE, connection(2, 3)]
    fabric, found = validated(data.draw(st.permutations(there)))
    assert list(found) == []
    one, other = without_places(fabric), without_places(validated(there)[0])
    assert (one.tunnels, one.vips, one.routers) == (other.tunnels, other.vips, other.routers)


def test_a_renamed_topology_renames_its_tunnels() -> None:
    there = sites(1, 2, 3)
    shape: Data = {"mesh": BRANCHES, "enabled": True}
    before, _ = validated([*there, topology(**shape)])
    after, found = validated([*there, topology("all", formerly=["older", "t"], **shape)])
    assert list(found) == []
    assert renamed(before, after) == {
        f"all-r{a}-r{b}-r{at}": f"renamed from t-r{a}-r{b}-r{at}"
        for a, b in combinations((1, 2, 3), 2)
        for at in (a, b)
    }


def test_former_names_that_no_end_can_have_had_are_left_out() -> None:
    """Each of them would be held for each pair."""
    fabric, found = validated(
        [*sites(1, 2), topology("t", formerly=["x" * 60, "older"], mesh=BRANCHES, enabled=True)]
    )
    assert list(found) == []
    assert fabric.tunnels["t-r1-r2-r1"].previous_names == ("older-r1-r2-r1",)


def test_a_renamed_router_renames_the_tunnels_of_its_topologies_and_connections() -> None:
    """The new name comes behind the other one, so that the pair has another order; the topology has another
    name too."""
    shape: Data = {"mesh": {"routers": ["r1", "r2"]}, "enabled": True}
    own = connection(1, 3, enabled=True)
    before, _ = validated([*sites(1, 2, 3), topology(**shape), own])
    renaming = [*sites(2, 3), *site(1)]
    renaming[-1]["metadata"] |= {"name": "r9", "previousNames": ["r1"]}
    shape["mesh"] = {"routers": ["r9", "r2"]}
    own["spec"]["ends"][0]["router"] = "r9"
    after, found = validated([*renaming, topology("all", formerly=["t"], **shape), own])
    assert list(found) == []
    assert renamed(before, after) == {
        "all-r2-r9-r9": "renamed from t-r1-r2-r1",
        "all-r2-r9-r2": "renamed from t-r1-r2-r2",
        "t-r1-r3-r9": "renamed from t-r1-r3-r1",
        # The connection, and so its other end, has its name still.
    }


def test_a_rename_requests_no_reconnect_anew() -> None:
    """Whichever names of ends sort first now: the record of what was done is at one end."""
    there, own = sites(1, 2), connection(1, 2, enabled=True)
    own["metadata"]["annotations"] = {"tunnelwright/reconnect": "2026-03-01"}
    before, _ = validated([*there, own])
    for number, name in ((1, "zz"), (2, "aa")):
        now = copy.deepcopy(own)
        now["spec"]["ends"][number - 1] |= {"name": name, "previousNames": [f"t-r1-r2-r{number}"]}
        after, found = validated([*there, now])
        assert list(found) == []
        assert renamed(before, after) == {name: f"renamed from t-r1-r2-r{number}"}
        assert {end.router for end in after.tunnels.values() if end.reconnect} == {"r1"}
    assert before.tunnel_of("t-r1-r2") == "t-r1-r2-r1"


def renamed(before: Fabric, after: Fabric) -> dict[str, str]:
    """Why each tunnel end changes; no key is new, and nothing is interrupted."""
    plan = between(before, after, datetime.now(UTC)).plan
    assert {step.disruption for change in plan.changes for step in change.steps} <= {
        Disruption.NONE,
        Disruption.MAKE_BEFORE_BREAK,
    }
    return {change.resource.name: change.reason for change in plan.changes if change.resource.is_tunnel}


def test_a_name_that_follows_from_a_previous_one_may_be_in_use() -> None:
    shape: Data = {"mesh": {"routers": ["r1", "r2"]}}
    _, found = validated([*sites(1, 2), topology(**shape), topology("u", formerly=["t"], **shape)])
    assert {(item.code, item.path) for item in found if item.code == "previous-name-in-use"} == {
        ("previous-name-in-use", "metadata.previousNames")
    }


@pytest.mark.parametrize(
    "cause",
    [
        {"pairs": [["r1", "r1"]]},
        {"mesh": {"routers": ["r1", "r7"]}},
        {"mesh": {"routers": ["r1", "r1"]}},
        {"mesh": {"labels": {"role": "broken"}}},
    ],
)
def test_that_nothing_is_joined_is_not_said_where_something_else_is_the_cause(cause: Data) -> None:
    broken = document("VpcRouter", "r8", {}, labels={"role": "broken"})
    _, found = validated([*sites(1, 2), *([broken] if "labels" in str(cause) else []), topology(**cause)])
    assert found.errors != ()
    assert "no-pairs" not in {item.code for item in found}


def test_one_finding_for_names_that_are_too_long_for_one_reason() -> None:
    _, found = validated([*sites(1, 2, 3), topology("t" * 60, mesh=BRANCHES)])
    [item] = found
    assert (item.code, item.message.partition("is too long")[2]) == (
        "invalid-name",
        " and 2 more connections",
    )


def test_a_router_with_more_networks_than_a_proposal_has_room_for_is_named() -> None:
    many = [network(f"n-{number:03}", f"10.9.{number}.0/24") for number in range(256)]
    router: Data = {
        "publicNetworks": [{"network": "wan", "interface": "wan0", "address": "203.0.113.9"}],
        "vpcNetworks": [
            {"network": f"n-{number:03}", "interface": f"lan{number}", "address": f"10.9.{number}.1"}
            for number in range(256)
        ],
    }
    shape = topology(star={"hubs": {"routers": ["r1"]}, "members": {"routers": ["r2", "big"]}})
    _, found = validated([*sites(1, 2), *many, document("VpcRouter", "big", router), shape])
    assert [(item.code, item.path) for item in found] == [("too-many-pairs", "spec.star.members.routers[1]")]


def test_a_connection_that_is_written_takes_the_place_of_that_of_the_topology() -> None:
    own = connection(1, 2, enabled=True)
    fabric, found = validated([*sites(1, 2, 3), topology(mesh=BRANCHES), own])
    assert list(found) == []
    assert {name: tunnel.enabled for name, tunnel in fabric.tunnels.items()} == {
        "t-r1-r2-r1": True,
        "t-r1-r2-r2": True,
        "t-r1-r3-r1": False,
        "t-r1-r3-r3": False,
        "t-r2-r3-r2": False,
        "t-r2-r3-r3": False,
    }
    assert fabric.tunnels["t-r1-r2-r1"].origin == Origin("IPsecConnection", "t-r1-r2", 0)
    assert fabric.tunnels["t-r1-r3-r3"].origin == Origin("IPsecConnection", "t-r1-r3", 1, "t")


def test_a_topology_has_a_bounded_number_of_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MOST_EXPANDED", 5)
    found = Diagnostics()
    catalog = expanded_catalog(read_documents([*sites(1, 2, 3), topology(mesh=BRANCHES)]), found)
    assert [(item.code, item.message) for item in found] == [
        ("too-many-ends", "the topology has 6 tunnel ends")
    ]
    assert catalog.tunnels == {}


def test_the_previous_names_of_all_ends_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name of a topology and of either router makes further ones, at every pair."""
    monkeypatch.setattr(topologies, "MOST_DERIVED_NAMES", 17)
    there = [*sites(1, 2, 3), topology(formerly=["old", "older", "oldest"], mesh=BRANCHES)]
    (item,) = validated(there)[1]
    assert (item.code, item.path) == ("too-many-names", "metadata.previousNames")
    monkeypatch.setattr(topologies, "MOST_DERIVED_NAMES", 18)
    assert list(validated(there)[1]) == []


def test_a_finding_at_an_end_is_located_in_the_topology() -> None:
    loaded = read_documents([*sites(1, 2), topology(mesh=BRANCHES)])
    fabric, _ = validated([*sites(1, 2), topology(mesh=BRANCHES)])
    for path, written in (("peer.address", "spec.vip"), ("ike.dhGroup", "spec.ike.dhGroup")):
        item = locate(finding("code", fabric.tunnels["t-r1-r2-r1"], path, "message"), loaded.documents, [])
        assert (item.field.kind, item.field.name, str(item.field)) == ("IPsecTopology", "t", written)
        assert item.location.line == 15
