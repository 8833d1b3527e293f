"""Which defaults a tunnel and a router have, when documents select them by label."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.fabric import Fabric, Level, Mode
from reconciler.validate.policies import weak_default
from tests.unit.validate.test_connections import WAN
from tests.unit.validate.test_topologies import connection, site, topology
from tests.unit.validate.written import document, validated

Data = dict[str, Any]
MESH = topology(mesh={"labels": {"role": "branch"}}, ike={}, ipsec={})


def defaults(name: str, selector: Data | None = None, **spec: object) -> Data:
    return document("FabricDefaults", name, spec if selector is None else {"selector": selector, **spec})


def berlin(**spec: object) -> Data:
    return defaults("berlin", {"matchLabels": {"site": "berlin"}}, **spec)


def fabric_of(*documents: Data, codes: tuple[str, ...] = ()) -> Fabric:
    """Of three sites in a mesh, of which the third is labelled `site: berlin`."""
    sites = [*site(1, role="branch"), *site(2, role="branch"), *site(3, role="branch", site="berlin")]
    fabric, found = validated([WAN, *sites, MESH, *documents])
    assert tuple(item.code for item in found) == codes, list(map(str, found))
    return fabric


def groups(fabric: Fabric) -> dict[str, int]:
    return {name: tunnel.ike.dh_group for name, tunnel in fabric.tunnels.items()}


def test_both_ends_of_a_tunnel_have_the_defaults_that_select_one_of_them() -> None:
    fabric = fabric_of(defaults("fleet", ike={"dhGroup": 14, "lifetime": 7200}), berlin(ike={"dhGroup": 19}))
    assert groups(fabric) == {
        "t-r1-r2-r1": 14,
        "t-r1-r2-r2": 14,
        **{f"t-r{number}-r3-r{end}": 19 for number in (1, 2) for end in (number, 3)},
    }
    assert {tunnel.ike.lifetime for tunnel in fabric.tunnels.values()} == {7200}


def test_two_documents_of_one_pair_have_the_same_defaults_too() -> None:
    sites = [*site(1), *site(3, site="berlin")]
    ends = [
        document(
            "IPsecTunnel",
            f"r{here}",
            {
                "router": f"r{here}",
                "vip": {"system": True},
                "source": {"networks": [f"r{here}-0"]},
                "peer": {"address": f"203.0.113.{far}", "cidrs": [f"10.{far}.0.0/24"]},
                "authentication": {"mode": "psk", "key": {"file": "k.psk"}},
            },
        )
        for here, far in ((1, 3), (3, 1))
    ]
    fabric, found = validated([WAN, *sites, *ends, berlin(ike={"dhGroup": 19})])
    assert list(found) == []
    assert groups(fabric) == {"r1": 19, "r3": 19}


def test_the_labels_of_a_document_come_before_those_of_its_router() -> None:
    written = connection(1, 3, ike={}, ipsec={})
    written["metadata"]["labels"] = {"site": "rome"}
    fabric = fabric_of(written, berlin(ike={"dhGroup": 19}))
    assert fabric.tunnels["t-r1-r3-r3"].labels == {"role": "branch", "site": "rome"}
    assert (groups(fabric)["t-r1-r3-r3"], groups(fabric)["t-r2-r3-r3"]) == (2, 19)


def test_what_a_document_sets_itself_is_no_conflict() -> None:
    others = defaults("branches", {"matchLabels": {"role": "branch"}}, ike={"dhGroup": 20})
    fabric_of(berlin(ike={"dhGroup": 19}), others, codes=("conflicting-defaults",))
    fabric_of(berlin(ike={"dhGroup": 20}), others)
    fabric = fabric_of(
        berlin(ike={"dhGroup": 19}),
        others,
        *(connection(number, 3, ike={"dhGroup": 21}, ipsec={}) for number in (1, 2)),
    )
    assert groups(fabric)["t-r1-r3-r1"] == 21


@pytest.mark.parametrize(
    ("of_router", "level", "tunnel"),
    [
        ({}, Level(Mode.OBSERVE, prune=False), Mode.OBSERVE),
        ({"mode": "apply"}, Level(Mode.APPLY, prune=False), Mode.APPLY),
    ],
)
def test_levels_come_from_a_router_before_they_come_from_defaults(
    of_router: Data, level: Level, tunnel: Mode
) -> None:
    sites = [*site(1), *site(3, site="berlin")]
    sites[-1]["spec"]["reconcile"] = of_router
    chosen = berlin(reconcile={"mode": "observe", "prune": False})
    fabric, found = validated([WAN, *sites, connection(1, 3), chosen])
    assert list(found) == []
    assert fabric.routers["r3"].level == level
    # The stricter end counts for both; the other router's tunnels have its own level.
    assert fabric.tunnels["t-r1-r3-r3"].level.mode is tunnel
    assert fabric.tunnels["t-r1-r3-r1"].level == fabric.routers["r1"].level == Level()


def test_a_weak_algorithm_is_an_error_where_the_defaults_of_that_tunnel_say_so() -> None:
    _, found = validated(
        [
            WAN,
            *site(1),
            *site(2),
            *site(3, site="berlin"),
            berlin(weakAlgorithms="error"),
            connection(1, 2, ike={"dhGroup": 5}, ipsec={}),
            connection(1, 3, ike={"dhGroup": 5}, ipsec={}),
        ]
    )
    assert (len(found.warnings), len(found.errors)) == (1, 1)


def test_one_sentence_counts_the_ends_on_the_weak_default_group() -> None:
    """A group that a document chooses, be it the same one, is not counted; nor is a tunnel that is down."""
    assert weak_default(fabric_of()) == ""
    up = connection(1, 2, ike={}, ipsec={}, enabled=True)
    assert weak_default(fabric_of(up)).startswith(
        "2 tunnel ends run on DH group 2, the default of the service"
    )
    assert weak_default(fabric_of(up, berlin(ike={"dhGroup": 14}))).startswith("2 tunnel ends run")
    assert weak_default(fabric_of(up, defaults("fleet", ike={"dhGroup": 14}))) == ""
    chosen = connection(1, 2, ike={"dhGroup": 2}, ipsec={}, enabled=True)
    assert weak_default(fabric_of(chosen, codes=("weak-algorithm",))) == ""
