"""Real routers, real ESP: what the proof says of a tunnel that works, and of ones that do not."""

from __future__ import annotations

import pytest

from lab.capture import Watch
from lab.engine import Engine
from lab.flow_proof import FlowProof
from lab.session import Lab
from lab.topology import Role, flows_of
from lab.traffic import Stream
from lab.verify import Report, verify
from reconciler.model.fabric import Fabric
from tests.lab.conftest import configure

pytestmark = pytest.mark.engine

FLOW_CHECKS = [
    "negative control",
    "delivered 10.1.0.10 -> 10.2.0.10",
    "delivered 10.2.0.10 -> 10.1.0.10",
    "esp content",
    "outer addresses",
    "spis agree",
    "sequence numbers",
    "multicast not carried",
    "broadcast not carried",
    "directed broadcast not carried",
    "replay rejected",
    "tampering rejected",
    "forged cleartext rejected",
]


def failed(report: Report) -> set[str]:
    checks = [check for flow in report.flows for check in flow.checks] + list(report.checks)
    return {check.name for check in checks if not check.passed}


def test_a_configured_tunnel_is_proven(lab: Lab, fabric: Fabric) -> None:
    report = verify(lab, fabric)

    assert failed(report) == set()
    assert report.passed
    (flow,) = report.flows
    assert [check.name for check in flow.checks] == FLOW_CHECKS
    assert [check.name for check in report.checks] == ["no cleartext on internet", "captures whole"]


@pytest.mark.parametrize(
    "proposal",
    [
        "3des-md5",
        "aes128-sha1",
        "aes192-sha384-modp3072",
        "aes256-sha512-ecp256",
        "aes256gcm16-ecp384",
        "chacha20poly1305-x25519",
    ],
)
def test_every_cipher_of_the_service_is_opened(lab: Lab, fabric: Fabric, proposal: str) -> None:
    (flow,) = flows_of(fabric, lab.topology)
    configure(lab, fabric, proposal)
    try:
        with Watch(lab) as watch:
            proof = FlowProof(lab, flow, watch, packets=5)
            proof.take_down()
            proof.bring_back()
            assert proof.warm_up()
            checks = proof.prove_delivery()
    finally:
        configure(lab, fabric)
    assert [check for check in checks if not check.passed] == []


def test_a_leak_is_found(lab: Lab, fabric: Fabric) -> None:
    """Without the router's drop rule, source NAT sends what misses a tunnel that is down to the WAN."""
    (flow,) = flows_of(fabric, lab.topology)
    lab.run(Role.ROUTER, flow.left.router, ["nft", "flush", "chain", "ip", "test", "leak"])
    lab.run(Role.ROUTER, flow.left.router, ["nft", "flush", "chain", "ip", "test", "nat"])
    try:
        with Watch(lab) as watch:
            check = FlowProof(lab, flow, watch, packets=5).prove_negative()
    finally:
        configure(lab, fabric)
    assert not check.passed
    assert "0 arrived, 0 in the clear" not in check.evidence


def test_missing_nat_exemption_is_found(lab: Lab, fabric: Fabric) -> None:
    (flow,) = flows_of(fabric, lab.topology)
    for router in (flow.left.router, flow.right.router):
        lab.run(Role.ROUTER, router, ["nft", "flush", "chain", "ip", "test", "nat"])
    try:
        with Watch(lab) as watch:
            proof = FlowProof(lab, flow, watch, packets=5)
            assert not proof.warm_up(timeout=3.0) or not all(c.passed for c in proof.prove_delivery())
    finally:
        configure(lab, fabric)


def test_forged_cleartext_that_the_router_accepts_is_found(lab: Lab, fabric: Fabric) -> None:
    (flow,) = flows_of(fabric, lab.topology)
    lab.run(Role.ROUTER, flow.right.router, ["nft", "flush", "chain", "ip", "test", "forged"])
    try:
        with Watch(lab) as watch:
            proof = FlowProof(lab, flow, watch, packets=5)
            assert proof.warm_up()
            checks = proof.prove_rejection()
    finally:
        configure(lab, fabric)
    assert {check.name for check in checks if not check.passed} == {"forged cleartext rejected"}


def test_a_router_without_its_tunnel_is_not_proven(
    engine: Engine, image: str, fabric: Fabric, lab_name: str
) -> None:
    with Lab.up(fabric, f"{lab_name}-bare", engine=engine, image=image) as bare:
        (flow,) = flows_of(fabric, bare.topology)
        with Watch(bare) as watch:
            assert not FlowProof(bare, flow, watch).warm_up(timeout=2.0)


def test_a_stream_counts_an_interruption(lab: Lab, fabric: Fabric) -> None:
    (flow,) = flows_of(fabric, lab.topology)
    with Watch(lab) as watch:
        proof = FlowProof(lab, flow, watch)
        assert proof.warm_up()
        steady = Stream(lab, flow, limit=60)
        steady.start()
        assert steady.wait_arriving()
        steady.reset()
        proof.take_down()
        proof.bring_back()
        assert proof.warm_up()
        there, back = steady.stop()
    assert there.sent > 20 and there.lost > 0
    assert len(there.missing) == there.lost < there.sent
    assert there.longest_gap_ms > 10
    assert back.duplicates == there.duplicates == 0


def test_charon_comes_back_with_its_files(lab: Lab, fabric: Fabric) -> None:
    (flow,) = flows_of(fabric, lab.topology)
    before = lab.vici_socket(flow.left.router).parent / "ready"
    before.unlink()
    lab.run(Role.ROUTER, flow.left.router, ["pkill", "-KILL", "-x", "charon-systemd"])
    lab.wait_ready(flow.left.router)
    conns = lab.run(Role.ROUTER, flow.left.router, ["swanctl", "--list-conns"])
    assert flow.left.name in conns
