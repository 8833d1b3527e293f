"""What the service refuses, on the wire: a peer that opens Aggressive Mode gets no SA."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.isakmp import (
    ISAKMP,
    ISAKMP_payload_ID,
    ISAKMP_payload_KE,
    ISAKMP_payload_Nonce,
    ISAKMP_payload_Notify,
    ISAKMP_payload_Proposal,
    ISAKMP_payload_SA,
    ISAKMP_payload_Transform,
)

from lab.capture import Capture
from lab.engine import Engine
from lab.packets import Packet
from lab.session import Lab
from lab.topology import WAN, Role
from lab.traffic import send
from reconciler.model.fabric import Fabric, IdType, IkeId
from reconciler.observe.state import read_sas
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import observed_plan
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.secrets import SecretStore
from tests.fabrics import two_routers

pytestmark = pytest.mark.engine
NETWORK = "internet"
# Exchange types (RFC 2408, section 3.1) and the answer (section 3.14.1).
MAIN_MODE, AGGRESSIVE, INFORMATIONAL = 2, 4, 5
AUTHENTICATION_FAILED = 24
TRANSFORM = [
    ("Encryption", "AES-CBC"),
    ("KeyLength", 256),
    ("Hash", "SHA2-256"),
    ("GroupDesc", "2048MODPgr"),
    ("Authentication", "PSK"),
    ("LifeType", "Seconds"),
    ("LifeDuration", 3600),
]


@pytest.fixture(scope="module")
def lab2(engine: Engine, image: str) -> Iterator[Lab]:
    with Lab.up(two_routers(), f"ref{os.getpid():x}", engine=engine, image=image) as lab:
        yield lab


def towards(peer: str) -> Fabric:
    """paris, with an IKEv1 tunnel to a third-party device."""
    fabric = two_routers()
    tunnel = fabric.tunnels["paris-tokyo"]
    changed = replace(
        tunnel,
        peer_address=peer,
        peer_id=IkeId(IdType.IP, peer),
        ike=replace(tunnel.ike, version=1),
        other_end=None,
    )
    return replace(fabric, tunnels={changed.name: changed}, routers={"paris": fabric.routers["paris"]})


def opening(mode: int, source: str, destination: str) -> tuple[bytes, bytes]:
    """The first packet of an IKEv1 exchange, and its cookie: right in every way but, perhaps, its mode."""
    cookie = secrets.token_bytes(8)
    transform = ISAKMP_payload_Transform(transform_count=1, transforms=TRANSFORM)
    body = ISAKMP_payload_SA(prop=ISAKMP_payload_Proposal(trans_nb=1, trans=transform))
    if mode == AGGRESSIVE:
        identity = ISAKMP_payload_ID(IDtype=1, ProtoID=0, Port=0, IdentData=source)
        nonce = ISAKMP_payload_Nonce(nonce=secrets.token_bytes(32))
        body = body / ISAKMP_payload_KE(ke=secrets.token_bytes(256)) / nonce / identity
    packet = IP(src=source, dst=destination) / UDP(sport=500, dport=500)
    return bytes(packet / ISAKMP(init_cookie=cookie, exch_type=mode) / body), cookie


def answers(packets: list[Packet], cookie: bytes, source: str) -> list[ISAKMP]:
    """What came back from the router for our cookie."""
    found = [ISAKMP(p.payload) for p in packets if p.source == source and cookie in p.payload[:8]]
    return [answer for answer in found if answer.init_cookie == cookie]


def _responding(router: Router) -> list[str]:
    """States of the IKE_SAs that a peer opened. A half-open one has no connection's name yet."""
    events = router.vici.stream("list-sas", "list-sa")
    return [sa["state"] for event in events for sa in event.values() if sa.get("initiator") != "yes"]


def test_aggressive_mode_gets_no_sa(lab2: Lab, tmp_path: Path) -> None:
    bystander = lab2.topology.node(Role.BYSTANDER, NETWORK).ports[0].addresses[0].partition("/")[0]
    fabric = towards(bystander)
    vip = fabric.tunnels["paris-tokyo"].vip.address

    def connect(name: str) -> Router:
        return DockerRouter(fabric.routers[name], lab2.name, lab2.links)

    applied = apply(
        observed_plan(fabric, SecretStore(tmp_path, {"TUNNELWRIGHT_KEY_LAB": "a key"}), Fleet(connect)),
        Fleet(connect),
        timeout=0,
    )
    assert applied.remaining.empty
    answered: dict[int, list[ISAKMP]] = {}
    states: dict[int, list[str]] = {}
    router = connect("paris")
    try:
        for mode in (AGGRESSIVE, MAIN_MODE):
            # The tunnel's own attempts to reach the bystander are not what is looked at.
            for _ in read_sas(router.vici):
                list(
                    router.vici.stream("terminate", "control-log", {"ike": "tw-paris-tokyo", "force": "yes"})
                )
                break
            packet, cookie = opening(mode, bystander, vip)
            with Capture(lab2, Role.WIRE, lab2.name, lab2.topology.bridge(WAN, NETWORK)) as wan:
                send(lab2, Role.BYSTANDER, NETWORK, [packet])
                assert wan.wait_for(lambda seen, c=cookie: bool(answers(seen, c, vip)), 5)  # type: ignore[misc]  # bound
                answered[mode] = answers(wan.packets(), cookie, vip)
            states[mode] = _responding(router)
    finally:
        router.close()
    (refusal,) = answered[AGGRESSIVE]
    assert refusal.exch_type == INFORMATIONAL
    assert refusal[ISAKMP_payload_Notify].notify_msg_type == AUTHENTICATION_FAILED
    assert states[AGGRESSIVE] == []
    # The control: the same peer with the same proposal in Main Mode is answered with an SA payload.
    assert answered[MAIN_MODE][0].exch_type == MAIN_MODE
    assert ISAKMP_payload_SA in answered[MAIN_MODE][0]
    assert states[MAIN_MODE] == ["CONNECTING"]
