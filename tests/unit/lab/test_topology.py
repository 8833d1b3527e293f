"""From a Fabric to a lab, without any engine."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface

import pytest

from lab.topology import (
    LAN,
    WAN,
    LabRefused,
    Role,
    check_lab_name,
    container_name,
    flows_of,
    free_address,
    topology_of,
)
from lab.wiring import ports_of, replugging_files, wiring_files
from reconciler.model.fabric import Attachment, Fabric, VpcNetwork
from tests.fabrics import HERE, two_routers, with_system_vip

FABRIC = two_routers()
TOPOLOGY = topology_of(FABRIC)


def test_one_container_for_each_router_network_and_public_network() -> None:
    assert [(str(node.role), node.name) for node in TOPOLOGY.nodes] == [
        ("router", "paris"),
        ("router", "tokyo"),
        ("host", "paris-net"),
        ("host", "tokyo-net"),
        ("bystander", "internet"),
    ]
    assert TOPOLOGY.networks(WAN) == ("internet",)
    assert TOPOLOGY.networks(LAN) == ("paris-net", "tokyo-net")


def test_addresses_are_distinct_and_inside_their_networks() -> None:
    taken = [address for node in TOPOLOGY.nodes for port in node.ports for address in port.addresses]
    assert len(set(taken)) == len(taken)
    vips = {vip.address for vip in FABRIC.vips.values()}
    assert not vips & {address.partition("/")[0] for address in taken}
    hosts = [TOPOLOGY.node(Role.HOST, name).ports[0] for name in ("paris-net", "tokyo-net")]
    assert [port.addresses for port in hosts] == [("10.1.0.10/24",), ("10.2.0.10/24",)]


def test_managed_vips_are_left_to_the_reconciler_and_system_vips_are_there() -> None:
    given = topology_of(with_system_vip(FABRIC))
    assert given.node(Role.ROUTER, "paris").ports[0].addresses == ("203.0.113.1/24", "203.0.113.11/24")
    assert TOPOLOGY.node(Role.ROUTER, "paris").ports[0].addresses == ("203.0.113.1/24",)


def test_hosts_route_through_their_router_and_routers_have_a_way_to_leak() -> None:
    assert [(r.destination, r.gateway) for r in TOPOLOGY.node(Role.HOST, "paris-net").routes] == [
        ("default", "10.1.0.1")
    ]
    bystander = TOPOLOGY.node(Role.BYSTANDER, "internet").ports[0].address
    assert [(r.destination, r.gateway) for r in TOPOLOGY.node(Role.ROUTER, "paris").routes] == [
        ("default", bystander)
    ]


def shared_network(fabric: Fabric) -> Fabric:
    """tokyo's router in paris' network too: two gateways for one host."""
    both = Attachment("paris-net", "10.1.0.0/24", "eth2", "10.1.0.2")
    tokyo = fabric.routers["tokyo"]
    tunnel = replace(fabric.tunnels["tokyo-paris"], local_cidrs=("10.1.0.0/24",), peer_cidrs=("10.9.0.0/24",))
    return replace(
        fabric,
        routers={**fabric.routers, "tokyo": replace(tokyo, vpc=(*tokyo.vpc, both))},
        tunnels={**fabric.tunnels, "tokyo-paris": tunnel},
    )


def test_with_two_routers_in_one_network_peer_cidrs_go_to_the_tunnels_router() -> None:
    host = topology_of(shared_network(FABRIC)).node(Role.HOST, "paris-net")
    assert [(r.destination, r.gateway) for r in host.routes] == [
        ("default", "10.1.0.1"),
        ("10.9.0.0/24", "10.1.0.2"),
    ]


def test_the_digest_depends_on_content_and_not_on_order() -> None:
    reordered = replace(
        FABRIC,
        routers=dict(reversed(list(FABRIC.routers.items()))),
        vpc_networks=dict(reversed(list(FABRIC.vpc_networks.items()))),
    )
    assert topology_of(reordered).digest == TOPOLOGY.digest
    assert topology_of(with_system_vip(FABRIC)).digest != TOPOLOGY.digest
    unused = replace(FABRIC, vpc_networks={**FABRIC.vpc_networks, "x": VpcNetwork("x", "10.77.0.0/24", HERE)})
    assert topology_of(unused).digest == TOPOLOGY.digest


def test_each_pair_of_managed_ends_gives_one_flow() -> None:
    (flow,) = flows_of(FABRIC, TOPOLOGY)
    assert (flow.left.name, flow.right.name) == ("paris-tokyo", "tokyo-paris")
    assert (flow.left_address, flow.right_address) == ("10.1.0.10", "10.2.0.10")
    assert flow.label == "paris-tokyo: 10.1.0.10 <-> 10.2.0.10"


@pytest.mark.parametrize("end", ["paris-tokyo", "tokyo-paris"])
def test_no_flow_without_two_enabled_ends(end: str) -> None:
    off = replace(FABRIC, tunnels={**FABRIC.tunnels, end: replace(FABRIC.tunnels[end], enabled=False)})
    assert flows_of(off, TOPOLOGY) == ()
    alone = replace(FABRIC, tunnels={**FABRIC.tunnels, end: replace(FABRIC.tunnels[end], other_end=None)})
    assert all(flow.left.name != end for flow in flows_of(alone, TOPOLOGY))


def test_free_addresses() -> None:
    assert free_address("10.0.0.0/24", ["10.0.0.1"]) == "10.0.0.10"
    assert free_address("10.0.0.0/24", ["10.0.0.10"]) == "10.0.0.11"
    assert free_address("10.0.0.0/29", ["10.0.0.6"]) == "10.0.0.1"
    assert free_address("10.0.0.0/24", ["10.0.0.254"], from_end=True) == "10.0.0.253"
    assert ip_interface(f"{free_address('10.0.0.0/8', [])}/8").ip in ip_interface("10.0.0.0/8").network
    with pytest.raises(LabRefused, match="there is no free address"):
        free_address("10.0.0.0/30", ["10.0.0.1", "10.0.0.2"])


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a" * 33, "../x", "a b", "a;b"])
def test_names_that_cannot_name_a_lab(name: str) -> None:
    with pytest.raises(LabRefused):
        check_lab_name(name)


def test_container_names() -> None:
    assert check_lab_name("pr-17") == "pr-17"
    assert container_name("pr-17", Role.ROUTER, "paris") == "tw-pr-17-router-paris"


def test_the_wiring_plugs_every_port_once() -> None:
    pids = {node: 1000 + index for index, node in enumerate(TOPOLOGY.nodes)}
    files = wiring_files(TOPOLOGY, pids)
    ports = ports_of(TOPOLOGY)
    assert len(ports) == 7
    assert all(len(name) <= 15 for name in (*ports, *(bridge for _, _, bridge in TOPOLOGY.bridges)))
    lines = files["ports"].splitlines()
    plugged, addresses = zip(*(line.rsplit(" ", 1) for line in lines), strict=True)
    assert len(set(addresses)) == len(lines)
    for node in TOPOLOGY.nodes:
        for port in node.ports:
            assert plugged.count(f"{port.wire_name} {port.interface} {port.bridge} {pids[node]}") == 1
            assert f"link set {port.interface} up" in files[f"{pids[node]}.batch"].splitlines()
    assert len(plugged) == 7
    assert len(files["bridges"].splitlines()) == 3
    again = replugging_files(TOPOLOGY.nodes[0], 7)
    assert again["bridges"] == "" and again.keys() == {"bridges", "ports", "7.batch"}
    again_there = again["ports"].splitlines()
    assert {line.split()[-2] for line in again_there} == {"7"}
    assert {line.split()[-1] for line in again_there} <= set(addresses), "to its neighbours it is the same"
