"""A connection is what two documents that mirror each other are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.load import Loaded
from reconciler.load.documents import Source
from reconciler.load.reading import read
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import Fabric, Origin
from reconciler.validate import connections
from reconciler.validate.allocate import allocate
from reconciler.validate.catalog import build_catalog
from reconciler.validate.connections import place_in_connection
from schemas.addresses import parse_address
from tests.unit.validate.written import document, network, validated

Data = dict[str, Any]

WAN = document(
    "PublicNetwork",
    "wan",
    {
        "cidr": "203.0.113.0/24",
        "normalRanges": [{"name": "normal", "first": "203.0.113.100", "last": "203.0.113.199"}],
    },
)
SITES = {"paris": 1, "tokyo": 2}
NETWORKS = ("app", "db")


def site(name: str) -> list[Data]:
    number = SITES[name]
    router: Data = {
        "publicNetworks": [{"network": "wan", "interface": "wan0", "address": f"203.0.113.{number}"}],
        "vpcNetworks": [
            {"network": f"{name}-{net}", "interface": f"lan{index}", "address": f"10.{number}.{index}.1"}
            for index, net in enumerate(NETWORKS)
        ],
    }
    shared: Data = {"router": name, "publicNetwork": "wan", "address": f"203.0.113.11{number}"}
    return [
        *(network(f"{name}-{net}", f"10.{number}.{index}.0/24") for index, net in enumerate(NETWORKS)),
        document("VpcRouter", name, router),
        document("Vip", f"{name}-shared", shared),
    ]


BASE = [WAN, *site("paris"), *site("tokyo")]
ADDRESSES = {"system": "203.0.113.{}", "name": "203.0.113.11{}", "create": "203.0.113.12{}"}


def vip_of(router: str, choice: str) -> tuple[Data, str]:
    """What a document says of the VIP, and its address."""
    address = ADDRESSES[choice].format(SITES[router])
    written: dict[str, Data] = {
        "system": {"system": True},
        "name": {"name": f"{router}-shared"},
        "create": {"create": {"publicNetwork": "wan", "address": address}},
    }
    return written[choice], address


IDS = st.sampled_from([None, "site.example", "@203.0.113.7", "203.0.113.9", "vpn@site.example"])
ENDS = st.fixed_dictionaries(
    {
        "vip": st.sampled_from(sorted(ADDRESSES)),
        "networks": st.permutations(NETWORKS).flatmap(lambda n: st.sampled_from([n, n[:1]])),
        "id": IDS,
        "enabled": st.booleans(),
        "description": st.sampled_from([None, "", "for people"]),
        "lifetime": st.sampled_from([None, 600, 7200]),
        "dpd": st.sampled_from([None, {"action": "trap"}, {"enabled": False}, {"delay": 5}]),
        "previous": st.sampled_from([[], ["former"]]),
        "adopts": st.sampled_from([None, "net-net"]),
    }
)
PAIRS = st.fixed_dictionaries(
    {
        "ends": st.tuples(ENDS, ENDS),
        "order": st.permutations(sorted(SITES)),
        "names": st.sampled_from([(None, None), ("one", None), ("two", "one")]),
        "description": st.sampled_from(["", "Paris to Tokyo"]),
        "enabled": st.booleans(),
        "protected": st.booleans(),
        "group": st.sampled_from([None, "uplinks"]),
        "mode": st.sampled_from([None, "observe"]),
        "ike": st.sampled_from([{}, {"version": 1, "dhGroup": 14}, {"lifetime": 900, "dpd": {"delay": 7}}]),
        "ipsec": st.sampled_from([{}, {"encryption": "aes-gcm-256", "lifetime": 900}]),
        "reconnect": st.sampled_from([None, "2026-03-01"]),
        "renamed": st.booleans(),
    }
)


def given_only(**fields: object) -> Data:
    return {name: value for name, value in fields.items() if value not in (None, {}, [])}


def local(end: Data) -> tuple[Data, Data]:
    """What an end says of IKE and IPsec itself."""
    dpd = end["dpd"]
    return given_only(lifetime=end["lifetime"], dpd=dpd), given_only(lifetime=end["lifetime"])


def names_of(pair: Data) -> list[str]:
    return [name or f"both-{router}" for name, router in zip(pair["names"], pair["order"], strict=True)]


def as_connection(pair: Data) -> Data:
    ends = []
    for index, (router, end) in enumerate(zip(pair["order"], pair["ends"], strict=True)):
        ike, ipsec = local(end)
        ends.append(
            given_only(
                router=router,
                vip=vip_of(router, end["vip"])[0],
                networks=[f"{router}-{net}" for net in end["networks"]],
                id=end["id"],
                name=pair["names"][index],
                previousNames=[f"{name}-{index}" for name in end["previous"]],
                annotations=given_only(**{"tunnelwright/adopts": end["adopts"]}),
                ike=ike,
                ipsec=ipsec,
            )
            | {"enabled": end["enabled"]}
            | ({} if end["description"] is None else {"description": end["description"]})
        )
    return document(
        "IPsecConnection",
        "both",
        given_only(
            ends=ends,
            authentication={"mode": "psk", "key": {"env": "TUNNELWRIGHT_KEY_K"}},
            ike=pair["ike"],
            ipsec=pair["ipsec"],
            redundancyGroup=pair["group"],
            reconcile=given_only(mode=pair["mode"]),
        )
        | {
            "description": pair["description"],
            "enabled": pair["enabled"],
            "deletionProtection": pair["protected"],
        },
        annotations=given_only(**{"tunnelwright/reconnect": pair["reconnect"]}),
        previousNames=["was"] if pair["renamed"] else [],
    )


def as_two_documents(pair: Data) -> list[Data]:
    names, routers, ends = names_of(pair), pair["order"], pair["ends"]
    documents = []
    for index in (0, 1):
        router, far_router, end, far = routers[index], routers[1 - index], ends[index], ends[1 - index]
        ike, ipsec = dict(pair["ike"]), dict(pair["ipsec"])
        own_ike, own_ipsec = local(end)
        if "dpd" in own_ike:
            own_ike["dpd"] = {**ike.get("dpd", {}), **own_ike["dpd"]}
        ike |= own_ike
        ipsec |= own_ipsec
        named = bool(end["id"] or far["id"])
        identity = {"type": "name" if named else "ip"}
        if named:
            identity["local"] = end["id"] or vip_of(router, end["vip"])[1]
            identity["peer"] = far["id"] or vip_of(far_router, far["vip"])[1]
        description = pair["description"] if end["description"] is None else end["description"]
        previous = [f"{name}-{index}" for name in end["previous"]]
        if pair["renamed"] and not pair["names"][index]:
            previous.append(f"was-{router}")
        addresses = [vip_of(one, own["vip"])[1] for one, own in ((router, end), (far_router, far))]
        reconnect = pair["reconnect"] if addresses == sorted(addresses, key=parse_address) else None
        documents.append(
            document(
                "IPsecTunnel",
                names[index],
                given_only(
                    router=router,
                    vip=vip_of(router, end["vip"])[0],
                    peer={
                        "address": vip_of(far_router, far["vip"])[1],
                        "cidrs": [
                            f"10.{SITES[far_router]}.{NETWORKS.index(net)}.0/24" for net in far["networks"]
                        ],
                    },
                    source={"networks": [f"{router}-{net}" for net in end["networks"]]},
                    authentication={"mode": "psk", "key": {"env": "TUNNELWRIGHT_KEY_K"}},
                    identity=identity,
                    ike=ike,
                    ipsec=ipsec,
                    redundancyGroup=pair["group"],
                    reconcile=given_only(mode=pair["mode"]),
                )
                | {
                    "description": description,
                    "enabled": pair["enabled"] and end["enabled"],
                    "deletionProtection": pair["protected"],
                },
                annotations=given_only(
                    **{"tunnelwright/adopts": end["adopts"], "tunnelwright/reconnect": reconnect}
                ),
                previousNames=previous,
            )
        )
    return documents


def without_places(fabric: Fabric) -> Fabric:
    """The same, but for where it stands in which kind of document."""
    nowhere = Location("")
    vips = {name: replace(vip, location=nowhere) for name, vip in fabric.vips.items()}
    tunnels = {
        name: replace(tunnel, location=nowhere, origin=None, vip=vips[tunnel.vip.name])
        for name, tunnel in fabric.tunnels.items()
    }
    routers = {name: replace(router, location=nowhere) for name, router in fabric.routers.items()}
    return replace(fabric, vips=vips, tunnels=tunnels, routers=routers)


@given(PAIRS)
def test_any_connection_is_what_its_two_documents_are(pair: Data) -> None:
    one, found = validated([*BASE, as_connection(pair)])
    two, found_of_two = validated([*BASE, *as_two_documents(pair)])
    assert found.errors == found_of_two.errors == ()
    assert [(item.code, item.message) for item in found] == [
        (item.code, item.message) for item in found_of_two
    ]
    assert len(one.tunnels) == 2
    assert without_places(one) == without_places(two)


@given(PAIRS)
def test_the_order_of_the_ends_has_no_meaning(pair: Data) -> None:
    one = as_connection(pair)
    other = {**one, "spec": {**one["spec"], "ends": one["spec"]["ends"][::-1]}}
    assert without_places(validated([*BASE, one])[0]) == without_places(validated([*BASE, other])[0])


def plain(name: str = "paris--tokyo", **spec: object) -> Data:
    return document(
        "IPsecConnection",
        name,
        {
            "ends": [
                {"router": "paris", "vip": {"create": {"publicNetwork": "wan"}}, "networks": ["paris-app"]},
                {"router": "tokyo", "vip": {"system": True}, "networks": ["tokyo-app"]},
            ],
            "authentication": {"mode": "psk", "key": {"env": "TUNNELWRIGHT_KEY_K"}},
            **spec,
        },
    )


def test_names_follow_from_the_connection_and_the_router() -> None:
    loaded = read_documents([*BASE, plain()])
    assigned, found = allocate(loaded)
    assert list(found) == []
    assert assigned == {"paris--tokyo-paris": "203.0.113.100"}


def test_an_end_knows_its_document() -> None:
    ends = [
        {"router": "paris", "vip": {"system": True}, "networks": ["paris-app"]},
        {"router": "tokyo", "vip": {"system": True}, "networks": ["tokyo-app"], "name": "at-tokyo"},
    ]
    fabric, found = validated([*BASE, plain(ends=ends)])
    assert list(found) == []
    assert {name: tunnel.origin for name, tunnel in fabric.tunnels.items()} == {
        "paris--tokyo-paris": Origin("IPsecConnection", "paris--tokyo", 0),
        "at-tokyo": Origin("IPsecConnection", "paris--tokyo", 1),
    }


def read_documents(documents: list[Data] | str) -> Loaded:
    text = documents if isinstance(documents, str) else "\n---\n".join(map(json.dumps, documents))
    return read({"all.yaml": text.encode()}, Source("", ""), Diagnostics())


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("metadata", "name"), ("spec", "ends", 0, "name")),
        (("spec", "router"), ("spec", "ends", 0, "router")),
        (("spec", "vip", "create", "address"), ("spec", "ends", 0, "vip", "create", "address")),
        (("spec", "source"), ("spec", "ends", 0, "networks")),
        (("spec", "source", "networks", 3), ("spec", "ends", 0, "networks", 3)),
        (("spec", "peer", "cidrs", 3), ("spec", "ends", 1, "networks", 3)),
        (("spec", "peer", "address"), ("spec", "ends", 1, "vip")),
        (("spec", "identity", "peer"), ("spec", "ends", 1, "id")),
        (("spec", "ike", "dhGroup"), ("spec", "ike", "dhGroup")),
    ],
)
def test_what_an_end_would_say_has_a_place_in_the_connection(
    path: tuple[str | int, ...], place: tuple[str | int, ...]
) -> None:
    assert place_in_connection(path, 0) == place


def test_connections_expand_to_a_bounded_number_of_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_EXPANDED", 2)
    ends = [
        {"router": "paris", "vip": {"name": "paris-shared"}, "networks": ["paris-db"]},
        {"router": "tokyo", "vip": {"name": "tokyo-shared"}, "networks": ["tokyo-db"]},
    ]
    found = Diagnostics()
    loaded = read_documents([*BASE, plain(), plain("second", ends=ends)])
    catalog = connections.expanded_catalog(loaded, found)
    assert [(item.code, item.location.line, item.path) for item in found] == [
        ("too-many-ends", 21, "spec.ends")
    ]
    assert sorted(catalog.tunnels) == ["paris--tokyo-paris", "paris--tokyo-tokyo"]
    assert build_catalog(loaded, Diagnostics()).tunnels == {}
