"""The rules as a truth table: what was seen on two routers, and the codes that follow, no more, no less."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.diagnosis import Evidence, diagnose
from reconciler.diagnosis.evidence import Flow, ForeignChild, Route
from tests.unit.diagnosis.seen import (
    DROP,
    ESP,
    FABRIC,
    FAR,
    HEALTHY,
    IKE,
    LOOKING,
    LOST,
    MASQUERADE,
    NEAR,
    PORT,
    PROTOCOL,
    SILENCE,
    TWICE,
    UP,
    alone,
    changed,
    child,
    drifted,
    nft,
    offers,
    seen,
)

TABLE: list[tuple[str, Evidence, set[tuple[str, str]]]] = [
    ("healthy", HEALTHY, set()),
    ("healthy, asked for a rekey", replace(HEALTHY, rekey_failure=""), set()),
    ("healthy, peer not managed", alone(seen(down=False, flow=None)), set()),
    (
        "wrong key",
        seen(
            near=("received AUTHENTICATION_FAILED notify error",),
            far=(LOOKING, "tried 1 shared key for 'a' - 'b', but MAC mismatched"),
        ),
        {("wrong-key", NEAR)},
    ),
    (
        "wrong key, IKEv1",
        seen(
            near=SILENCE, far=("invalid ID_V1 payload length, decryption failed?", "message parsing failed")
        ),
        {("wrong-key", NEAR)},
    ),
    (
        "no key",
        seen(far=(LOOKING, "no shared key found for '203.0.113.12' - '203.0.113.11'")),
        {("key-not-found", FAR)},
    ),
    ("IDs", seen(far=(LOOKING, "no matching peer config found")), {("id-mismatch", FAR)}),
    (
        "IDs, IKEv1, at the initiator",
        seen(near=("IDir 'other' does not match to '203.0.113.12'",)),
        {("id-mismatch", NEAR)},
    ),
    (
        "a peer that is not managed calls itself otherwise",
        alone(seen(near=("constraint check failed: identity '203.0.113.12' required",))),
        {("id-mismatch", NEAR)},
    ),
    (
        "refused by a peer that is not managed",
        alone(seen(near=("received AUTHENTICATION_FAILED notify error",))),
        {("authentication-refused", NEAR)},
    ),
    (
        "no connection",
        seen(far=("no IKE config found for 203.0.113.12...203.0.113.11, sending NO_PROPOSAL_CHOSEN",)),
        {("connection-not-found", FAR)},
    ),
    (
        "an initiator that was built without IKEv1",
        seen(near=("IKE version 1 not supported",)),
        {("ike-version-unsupported", NEAR)},
    ),
    (
        "a responder that was built without IKEv1",
        seen(
            near=SILENCE,
            far=("received unsupported IKE version 1.0 from 203.0.113.11, sending INVALID_MAJOR_VERSION",),
        ),
        {("ike-version-unsupported", FAR)},
    ),
    (
        "no connection, for it is not loaded",
        seen(
            far=("no IKE config found for 203.0.113.12...203.0.113.11, sending NO_PROPOSAL_CHOSEN",),
            far_end=drifted(FAR, connections={}),
        ),
        {("drift", FAR)},
    ),
    (
        "IKE proposals, the responder departs",
        seen(far=(*offers(IKE, (256,), (128,)), "received proposals unacceptable")),
        {("ike-proposal-mismatch", FAR)},
    ),
    (
        "IKE proposals, the initiator departs",
        seen(far=(*offers(IKE, (128,), (256,)), "received proposals unacceptable")),
        {("ike-proposal-mismatch", NEAR)},
    ),
    (
        "IKE proposals, IKEv1",
        seen(far=(*offers(IKE, (256,), (128,)), "no proposal found")),
        {("ike-proposal-mismatch", FAR)},
    ),
    (
        "IKE proposals, peer not managed",
        alone(seen(near=("received NO_PROPOSAL_CHOSEN notify error",))),
        {("ike-proposal-mismatch", NEAR)},
    ),
    (
        "ESP proposals",
        seen(far=(*offers(ESP, (256, 2048), (128, 2048)), "no acceptable proposal found")),
        {("esp-proposal-mismatch", FAR)},
    ),
    (
        "ESP proposals, peer not managed",
        alone(seen(near=(UP, "received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built"))),
        {("esp-proposal-mismatch", NEAR)},
    ),
    (
        "PFS, IKEv1",
        seen(
            far=(
                *offers(ESP, (256, 2048), (256, 3072)),
                "no matching proposal found, sending NO_PROPOSAL_CHOSEN",
            )
        ),
        {("pfs-mismatch", FAR)},
    ),
    (
        "PFS at a rekey",
        seen(
            down=False,
            far_end={
                "said_rekeying": (*offers(ESP, (256, 2048), (256, 3072)), "no acceptable proposal found")
            },
            rekey_failure="CHILD_SA rekeying failed, trying again in 13 seconds",
        ),
        {("pfs-mismatch", FAR)},
    ),
    (
        "PFS at a rekey, peer not managed",
        alone(
            seen(
                down=False,
                flow=None,
                near_end={"said_rekeying": ("received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built",)},
                rekey_failure="CHILD_SA rekeying failed, trying again in 13 seconds",
            )
        ),
        {("pfs-mismatch", NEAR)},
    ),
    ("a rekey fails for another reason", seen(down=False, rekey_failure="no"), {("rekey-failed", NEAR)}),
    (
        "selectors",
        seen(far=("traffic selectors 10.2.0.0/24 === 10.1.0.0/24 unacceptable",)),
        {("selector-mismatch", NEAR)},
    ),
    (
        "selectors, IKEv1, peer not managed",
        alone(seen(near=("received INVALID_ID_INFORMATION error notify",))),
        {("selector-mismatch", NEAR)},
    ),
    (
        "narrowed",
        seen(
            down=False,
            near_end={
                "sas": (
                    replace(
                        HEALTHY.near.sas[0],
                        children=(child("aaaaaaaa", "bbbbbbbb", ("10.1.0.0/24",), ("10.2.0.0/25",)),),
                    ),
                )
            },
        ),
        {("selector-narrowed", NEAR)},
    ),
    ("silent, peer not managed", alone(seen(near=SILENCE)), {("peer-silent", NEAR)}),
    ("lost on the way there", seen(near=SILENCE), {("ike-blocked", NEAR)}),
    (
        "answered late",
        seen(near=(*SILENCE, "received packet: from 203.0.113.12[500] to 203.0.113.11[500] (4 bytes)")),
        {("not-established", NEAR)},
    ),
    (
        "dropped at the responder",
        seen(near=SILENCE, far_end=nft({"hook": "input"}, PORT, DROP)),
        {("ike-blocked", FAR)},
    ),
    (
        "dropped at the initiator",
        seen(near=SILENCE, near_end=nft({"hook": "output"}, PORT, DROP)),
        {("ike-blocked", NEAR)},
    ),
    (
        "a rule that drops IKE does not matter while IKE is answered",
        seen(down=False, far_end=nft({"hook": "input"}, PORT, DROP)),
        set(),
    ),
    ("VIP missing", seen(near=SILENCE, far_end=drifted(FAR, addresses=frozenset())), {("vip-missing", FAR)}),
    (
        "VIP on another router as well",
        seen(near=SILENCE, far_end={"holders": TWICE}),
        {("duplicate-address", FAR)},
    ),
    (
        "router down",
        seen(near=SILENCE, far_end={"state": None, "unreachable": "it is off"}),
        {("router-unreachable", FAR)},
    ),
    (
        "disabled at both ends",
        seen(
            failure="",
            near_end={"tunnel": replace(HEALTHY.near.tunnel, enabled=False), "connection": None},
            far_end={"tunnel": replace(FABRIC.tunnels[FAR], enabled=False), "connection": None},
        ),
        set(),
    ),
    (
        "disabled at one end",
        seen(
            failure="",
            far_end={"tunnel": replace(FABRIC.tunnels[FAR], enabled=False), "connection": None},
        ),
        {("disabled-in-git", FAR)},
    ),
    ("guard missing, up", seen(down=False, near_end=drifted(NEAR, firewall=None)), {("drift", NEAR)}),
    (
        "guard missing, down",
        seen(near=SILENCE, near_end=drifted(NEAR, firewall=None)),
        {("cleartext-leak", NEAR), ("ike-blocked", NEAR)},
    ),
    ("ESP lost on the way", seen(down=False, flow=LOST), {("esp-blocked", FAR)}),
    (
        "answers lost on the way",
        seen(down=False, flow=replace(LOST, far_in=3, far_out=3)),
        {("esp-blocked", NEAR)},
    ),
    (
        "ESP dropped by a rule of the sender",
        seen(down=False, flow=LOST, near_end=nft({"hook": "output"}, PROTOCOL, DROP)),
        {("esp-blocked", NEAR)},
    ),
    (
        "translated at the sender",
        seen(
            down=False,
            flow=replace(LOST, near_out=0),
            near_end=nft({"hook": "postrouting", "type": "nat", "prio": 80}, MASQUERADE),
        ),
        {("nat-steals", NEAR)},
    ),
    (
        "the router's own masquerade, after the exemption",
        seen(down=False, near_end=nft({"hook": "postrouting", "type": "nat", "prio": 100}, MASQUERADE)),
        set(),
    ),
    (
        "routed elsewhere",
        seen(down=False, flow=LOST, near_end={"routes": (Route("10.1.0.10", "10.2.0.1", "eth0"),)}),
        {("route-steals", NEAR)},
    ),
    (
        "a blackhole",
        seen(
            down=False, near_end={"routes": (Route("a", "b", failure="RTNETLINK answers: Invalid argument"),)}
        ),
        {("route-steals", NEAR)},
    ),
    (
        "forwarding dropped",
        seen(down=False, far_end=nft({"hook": "forward"}, DROP)),
        {("forward-blocked", FAR)},
    ),
    (
        "a policy of somebody else",
        seen(down=False, far_end={"foreign": (ForeignChild("x", "y", ("10.2.0.0/16",), ("10.0.0.0/8",)),)}),
        {("overlapping-policy", FAR)},
    ),
    (
        "connections of somebody else that claim other traffic",
        seen(
            down=False,
            far_end={
                "foreign": (
                    ForeignChild("x", "y", ("10.2.0.0/16",), ("192.168.0.0/16",)),
                    ForeignChild("x", "z", ("dynamic",), ("0.0.0.0/0[tcp/http]", "2001:db8::/32")),
                )
            },
        ),
        set(),
    ),
    (
        "the other end has forgotten",
        seen(down=False, flow=LOST, far_end={"sas": ()}),
        {("one-sided-sa", NEAR)},
    ),
    (
        "the other end has forgotten, and its packets are lost",
        seen(near=SILENCE, down=False, flow=LOST, far_end={"sas": ()}),
        {("ike-blocked", NEAR)},
    ),
    (
        "nothing enters the tunnel",
        seen(down=False, flow=replace(LOST, near_out=0)),
        {("not-encrypted", NEAR)},
    ),
    (
        "nothing is sent back",
        seen(down=False, flow=replace(LOST, far_in=3)),
        {("not-encrypted", FAR)},
    ),
    (
        "it is carried and not answered",
        seen(down=False, flow=Flow(3, 1, 3, 3, 1, 1)),
        {("no-reply", NEAR)},
    ),
    (
        "wrong key, IKEv1, peer not managed",
        alone(seen(near=("invalid HASH_V1 payload length, decryption failed?", *SILENCE))),
        {("wrong-key", NEAR)},
    ),
    (
        "our VIP missing, peer not managed",
        alone(seen(near=SILENCE, near_end=drifted(NEAR, addresses=frozenset()))),
        {("vip-missing", NEAR)},
    ),
    (
        "no key, for it was unloaded",
        seen(
            far=(LOOKING, "no shared key found for '203.0.113.12' - '203.0.113.11'"),
            far_end=drifted(FAR, secret_ids=frozenset()),
        ),
        {("drift", FAR)},
    ),
    (
        "no answer to a rekey",
        seen(down=False, near_end={"said_rekeying": SILENCE}, rekey_failure="no new CHILD_SA within 6 s"),
        {("ike-blocked", NEAR)},
    ),
    (
        "no answer to a rekey, peer not managed",
        alone(
            seen(down=False, flow=None, near_end={"said_rekeying": SILENCE}, rekey_failure="no new CHILD_SA")
        ),
        {("peer-silent", NEAR)},
    ),
    (
        "ESP proposals at a rekey",
        seen(
            down=False,
            far_end={
                "said_rekeying": (*offers(ESP, (256, 2048), (128, 2048)), "no acceptable proposal found")
            },
            rekey_failure="CHILD_SA rekeying failed, trying again in 13 seconds",
        ),
        {("esp-proposal-mismatch", FAR)},
    ),
    *(
        (
            f"{word} of what {fields} explains",
            seen(down=False, flow=flow, **changed(side, value)),
            {(fields, name)},
        )
        for word, flow in (("esp-blocked", LOST), ("not-encrypted", replace(LOST, near_out=0)))
        for fields, side, value, name in (
            (
                "nat-steals",
                "near_end",
                nft({"hook": "postrouting", "type": "nat", "prio": 80}, MASQUERADE),
                NEAR,
            ),
            ("route-steals", "near_end", {"routes": (Route("10.1.0.10", "10.2.0.1", "eth0"),)}, NEAR),
            (
                "overlapping-policy",
                "far_end",
                {"foreign": (ForeignChild("x", "y", ("10.2.0.0/16",), ("10.0.0.0/8",)),)},
                FAR,
            ),
            ("one-sided-sa", "far_end", {"sas": ()}, NEAR),
        )
    ),
    (
        "the exemption is missing",
        seen(down=False, flow=replace(LOST, near_out=0), near_end=drifted(NEAR, firewall=None)),
        {("drift", NEAR)},
    ),
    ("no words at all", seen(), {("not-established", NEAR)}),
]


@pytest.mark.parametrize(("evidence", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_follows_from_the_evidence(evidence: Evidence, expected: set[tuple[str, str]]) -> None:
    failures = [item for item in diagnose(evidence) if item.failure]
    assert {(item.code, item.tunnel) for item in failures} == expected, [item.message for item in failures]


def test_a_tunnel_that_is_disabled_is_worth_a_word() -> None:
    evidence = next(row[1] for row in TABLE if row[0] == "disabled at both ends")
    assert [(item.code, item.failure) for item in diagnose(evidence)] == [("disabled-in-git", False)] * 2
