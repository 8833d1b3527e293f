"""Members of a star with transit reach one another through the hub, and nothing of it is in the clear."""

from __future__ import annotations

import copy
import json
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import main
from reconciler.facets import firewall
from reconciler.model.fabric import Fabric
from reconciler.operations.expand import expanded
from reconciler.validate import validate
from tests.unit.validate.test_connections import read_documents, without_places
from tests.unit.validate.test_topologies import connection, sites, topology
from tests.unit.validate.written import document, network, validated

Data = dict[str, Any]


def star() -> Data:
    members = {"labels": {"role": "branch"}}
    return topology(star={"hubs": {"routers": ["r1"]}, "members": members, "transit": True}, enabled=True)


def networks(*numbers: int) -> set[str]:
    return {f"10.{number}.{net}.0/24" for number in numbers for net in (0, 1)}


def selectors_of(fabric: Fabric) -> dict[str, tuple[set[str], set[str]]]:
    return {
        name: (set(tunnel.local_cidrs), set(tunnel.peer_cidrs)) for name, tunnel in fabric.tunnels.items()
    }


def test_each_tunnel_carries_the_networks_of_all_other_members() -> None:
    fabric, found = validated([*sites(1, 2, 3, 4), star()])
    assert list(found) == []
    assert selectors_of(fabric) == {
        f"t-r1-r{member}-r{at}": (local, remote)
        for member, others in ((2, (3, 4)), (3, (2, 4)), (4, (2, 3)))
        for at, local, remote in (
            (1, networks(1, *others), networks(member)),
            (member, networks(member), networks(1, *others)),
        )
    }
    assert {name for name, tunnel in fabric.tunnels.items() if tunnel.transit_cidrs} == {
        "t-r1-r2-r1",
        "t-r1-r3-r1",
        "t-r1-r4-r1",
    }


def test_it_expands_to_documents_that_mean_the_same() -> None:
    loaded = read_documents([*sites(1, 2, 3), star()])
    fabric, _ = validate(loaded)
    documents = [data for _, data in expanded(loaded, fabric)]
    assert without_places(validated(documents)[0]) == without_places(fabric)


def test_what_passes_the_hub_is_guarded_by_either_tunnel_alone() -> None:
    """While the other one is not there yet, or is disabled, a plan for one alone leaves no gap."""
    fabric, _ = validated([*sites(1, 2, 3), star(), connection(1, 3, enabled=False)])
    for member in (2, 3):
        guard = firewall.guard(fabric.tunnels[f"t-r1-r{member}-r1"], 1360)
        between = {
            pair for one, other in permutations((2, 3)) for pair in product(networks(one), networks(other))
        }
        assert between <= guard.guarded
        assert {pair[:1] for pair in guard.broadcast} >= {(network,) for network in networks(2, 3)}


def test_a_pair_that_is_written_has_its_part_unless_it_says_otherwise() -> None:
    own = connection(1, 3, ipsec={"lifetime": 600})
    there = [*sites(1, 2, 3, 4), star()]
    assert selectors_of(validated([*there, own])[0]) == selectors_of(validated(there)[0])
    alone = copy.deepcopy(own)
    alone["spec"]["ends"][0]["transit"] = []
    fabric, found = validated([*there, alone])
    assert list(found) == []
    assert selectors_of(fabric)["t-r1-r3-r1"] == (networks(1), networks(3))
    assert selectors_of(fabric)["t-r1-r2-r1"] == (networks(1, 4), networks(2))
    some = copy.deepcopy(own)
    some["spec"]["ends"][0]["transit"] = ["r2-0"]
    _, found = validated([*there, some])
    assert [(item.code, item.path) for item in found] == [("transit-one-way", "spec.star.transit")] * 2


def test_networks_that_overlap_are_found() -> None:
    other: Data = {
        "publicNetworks": [{"network": "wan", "interface": "wan0", "address": "203.0.113.5"}],
        "vpcNetworks": [{"network": "wide", "interface": "lan0", "address": "10.2.9.1"}],
    }
    wide = [network("wide", "10.2.0.0/16"), document("VpcRouter", "r5", other, labels={"role": "branch"})]
    _, found = validated([*sites(1, 2), *wide, star()])
    assert {item.code for item in found} == {"ambiguous-tunnels", "peer-cidr-overlap"}


def test_sources_that_overlap_without_being_the_same_are_reported() -> None:
    """Traffic from 10.3.0.0/24 to 10.2.0.0/24 has two ways: its own, and that of the wider source."""
    wide, transit = network("wide", "10.3.0.0/16"), ["r3-0", "r3-1"]
    end = {"vip": {"system": True}, "authentication": {"mode": "psk", "key": {"env": "TUNNELWRIGHT_KEY_K"}}}
    tunnels = [
        document(
            "IPsecTunnel",
            f"to-{number}",
            {**end, "router": "r1", "source": {"networks": [source], "transit": through}, "peer": there},
        )
        for number, source, through, there in (
            (1, "r1-0", transit, {"address": "198.51.100.1", "cidrs": ["10.2.0.0/24"]}),
            (2, "r1-1", ["wide"], {"address": "198.51.100.2", "cidrs": ["10.2.0.0/16"]}),
        )
    ]
    _, found = validated([*sites(1, 2, 3), wide, *tunnels])
    assert "ambiguous-tunnels" in {item.code for item in found}


@pytest.mark.parametrize(
    ("bound", "value", "said"),
    [
        ("MOST_SELECTORS", 5, "the tunnel of a member would carry 6 networks at the hub's end"),
        ("MOST_PAIRS_OF_ROUTER", 35, "the tunnels of the hub would carry 36 pairs"),
    ],
)
def test_the_selectors_are_bounded_and_reported_once(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int, said: str
) -> None:
    monkeypatch.setattr(f"reconciler.validate.transit.{bound}", value)
    _, found = validated([*sites(1, 2, 3, 4), star()])
    [item] = found
    assert (item.code, item.path) == ("too-many-pairs", "spec.star.transit")
    assert item.message.startswith(said)


def test_validate_says_how_many_selectors_that_makes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "all.yaml").write_text("\n---\n".join(map(json.dumps, [*sites(1, 2, 3, 4), star()])))
    assert main(["validate", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == ["Transit through r1: 24 of 36 pairs of networks in 3 tunnel ends (at most 25,000)."]
    assert main(["validate", "--json", str(tmp_path)]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [item["type"] for item in objects] == ["version", "transit", "valid"]
    assert objects[1] == {"type": "transit", "router": "r1", "passing": 24, "pairs": 36}
