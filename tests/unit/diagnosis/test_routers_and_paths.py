"""What two routers hold and what happens to packets, as a truth table: the codes that follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.diagnosis import Evidence, diagnose
from reconciler.diagnosis.evidence import Flow, ForeignChild, LostSizes, Route
from reconciler.model.router_config import InterfaceAddress
from tests.unit.diagnosis.seen import (
    ARMED,
    DROP,
    ESP,
    FABRIC,
    FAR,
    HEALTHY,
    LOOKING,
    LOST,
    MASQUERADE,
    NEAR,
    PORT,
    PROTOCOL,
    SILENCE,
    TWICE,
    alone,
    changed,
    child,
    drifted,
    nft,
    offers,
    refused,
    seen,
)

AGAIN = (
    "received packet: from 203.0.113.12[500] to 203.0.113.11[500] (464 bytes)",
    "received retransmit of request with ID 0, retransmitting response",
    "sending packet: from 203.0.113.11[500] to 203.0.113.12[500] (472 bytes)",
)
HALF_OPEN = tuple(
    replace(sa, connection="(unnamed)", state="CONNECTING", initiator=False, children=())
    for sa in HEALTHY.this_end.sas
)
SENT = tuple(
    replace(sa, children=tuple(replace(one, packets_out=5) for one in sa.children))
    for sa in HEALTHY.this_end.sas
)
ONE_MORE = tuple(
    replace(sa, children=(*sa.children, child("cccccccc", "dddddddd", ("10.1.0.0/24",), ("10.2.0.0/24",))))
    for sa in HEALTHY.this_end.sas
)
VIP = FABRIC.tunnels[FAR].vip.address
ETHERNET = {"ethernet": frozenset({"02:00:00:00:00:01", "02:00:00:00:00:02"})}
BOTH_ADDRESSES = frozenset(
    InterfaceAddress("eth0", f"{FABRIC.tunnels[name].vip.address}/24") for name in (NEAR, FAR)
)
ENCAPSULATED = tuple(
    replace(sa, children=tuple(replace(one, encapsulated=True) for one in sa.children))
    for sa in HEALTHY.this_end.sas
)
NAT_SILENCE = (
    "sending packet: from 203.0.113.11[500] to 203.0.113.12[500] (464 bytes)",
    "received packet: from 203.0.113.12[500] to 203.0.113.11[500] (472 bytes)",
    "local host is behind NAT, sending keep alives",
    "sending packet: from 203.0.113.11[4500] to 203.0.113.12[4500] (256 bytes)",
    "retransmit 1 of request with message ID 1",
)
TRANSLATED = (
    (
        "sending packet: from 203.0.113.11[500] to 203.0.113.12[500] (464 bytes)",
        "received packet: from 203.0.113.12[500] to 203.0.113.11[500] (36 bytes)",
        "received NO_PROPOSAL_CHOSEN notify error",
    ),
    (
        "received packet: from 203.0.113.99[500] to 203.0.113.12[500] (464 bytes)",
        "no IKE config found for 203.0.113.12...203.0.113.99, sending NO_PROPOSAL_CHOSEN",
    ),
)

TABLE: list[tuple[str, Evidence, set[tuple[str, str]]]] = [
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
        "a rule that drops IKE ends a tunnel that is up",
        seen(down=False, far_end=nft({"hook": "input"}, PORT, DROP)),
        {("ike-blocked", FAR)},
    ),
    (
        "a rule that drops IKE on a port that the NAT does not leave to it",
        seen(down=False, near_end={"sas": ENCAPSULATED}, far_end=nft({"hook": "input"}, PORT, DROP)),
        set(),
    ),
    (
        "the same, where IKE was answered just now",
        seen(
            down=False,
            near=("received packet: from 203.0.113.12[500] to 203.0.113.11[500] (4 bytes)",),
            far_end=nft({"hook": "input"}, PORT, DROP),
        ),
        set(),
    ),
    (
        "UDP 4500 lost on the way, after an answer on 500",
        seen(
            near=NAT_SILENCE, far=("received packet: from 203.0.113.11[500] to 203.0.113.12[500] (4 bytes)",)
        ),
        {("ike-blocked", NEAR)},
    ),
    (
        "the peer address is the router's own",
        seen(down=False, flow=LOST, near_end=drifted(NEAR, addresses=BOTH_ADDRESSES)),
        {("peer-is-local", NEAR)},
    ),
    (
        "the same in a managed pair, where it is a duplicate as well",
        seen(near_end=drifted(NEAR, addresses=BOTH_ADDRESSES), far_end={"holders": TWICE}),
        {("peer-is-local", NEAR)},
    ),
    (
        "another machine answers for the VIP",
        seen(down=False, flow=LOST, near_end={"neighbors": {VIP: "02:00:00:00:00:09"}}, far_end=ETHERNET),
        {("duplicate-address", FAR)},
    ),
    (
        "another machine answers for the VIP, and the tunnel is down",
        seen(near=SILENCE, near_end={"neighbors": {VIP: "02:00:00:00:00:09"}}, far_end=ETHERNET),
        {("duplicate-address", FAR)},
    ),
    (
        "a proxy answers for the VIP, and passes packets on",
        seen(down=False, near_end={"neighbors": {VIP: "02:00:00:00:00:09"}}, far_end=ETHERNET),
        set(),
    ),
    (
        "the router itself answers for the VIP",
        seen(down=False, flow=LOST, near_end={"neighbors": {VIP: "02:00:00:00:00:02"}}, far_end=ETHERNET),
        {("esp-blocked", FAR)},
    ),
    (
        "addresses are translated on the path",
        seen(near=TRANSLATED[0], far=TRANSLATED[1]),
        {("address-translated", FAR)},
    ),
    (
        "a stranger asks the peer while our packets are lost",
        seen(near=SILENCE, far=TRANSLATED[1]),
        {("ike-blocked", NEAR)},
    ),
    (
        "large packets are lost",
        seen(down=False, lost_sizes=LostSizes(1228, 1232, there=True, back=False)),
        {("path-mtu", NEAR)},
    ),
    (
        "large packets are lost on their way back",
        seen(down=False, lost_sizes=LostSizes(1228, 1232, there=False, back=True)),
        {("path-mtu", FAR)},
    ),
    (
        "large packets are lost one way or the other",
        seen(down=False, lost_sizes=LostSizes(1228, 1232, there=False, back=False)),
        {("path-mtu", NEAR)},
    ),
    (
        "disabled, and whatever else is there",
        seen(
            failure="",
            near_end={
                "tunnel": replace(HEALTHY.this_end.tunnel, enabled=False),
                "connection": None,
                "routes": (Route("10.1.0.10", "10.2.0.1", "eth0"),),
                "foreign": (ForeignChild("x", "y", ("10.1.0.0/16",), ("10.0.0.0/8",)),),
                **nft({"hook": "forward"}, DROP),
            },
            far_end={"tunnel": replace(FABRIC.tunnels[FAR], enabled=False), "connection": None},
        ),
        set(),
    ),
    ("VIP missing", seen(near=SILENCE, far_end=drifted(FAR, addresses=frozenset())), {("vip-missing", FAR)}),
    ("a change that is not confirmed", seen(near_end={"state": ARMED}), {("router-armed", NEAR)}),
    ("the same, with the tunnel up", seen(down=False, near_end={"state": ARMED}), set()),
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
            near_end={"tunnel": replace(HEALTHY.this_end.tunnel, enabled=False), "connection": None},
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
        seen(down=False, flow=replace(LOST, other_in=3, other_out=3)),
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
            flow=replace(LOST, this_out=0),
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
        "a CHILD_SA too many at one end, and all is carried",
        seen(down=False, near_end={"sas": ONE_MORE}),
        set(),
    ),
    (
        "a CHILD_SA too many at one end, and nothing is carried",
        seen(down=False, flow=LOST, near_end={"sas": ONE_MORE}),
        {("one-sided-sa", NEAR)},
    ),
    (
        "the other end has forgotten, and its packets are lost",
        seen(near=SILENCE, down=False, flow=LOST, far_end={"sas": ()}),
        {("ike-blocked", NEAR)},
    ),
    (
        "nothing enters the tunnel",
        seen(down=False, flow=replace(LOST, this_out=0)),
        {("not-encrypted", NEAR)},
    ),
    (
        "nothing is sent back",
        seen(down=False, flow=replace(LOST, other_in=3)),
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
        for word, flow in (("esp-blocked", LOST), ("not-encrypted", replace(LOST, this_out=0)))
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
        seen(down=False, flow=replace(LOST, this_out=0), near_end=drifted(NEAR, firewall=None)),
        {("drift", NEAR)},
    ),
    (
        "a change that the peer refuses",
        alone(
            seen(down=False, flow=None, near_end=refused("received AUTHENTICATION_FAILED", key="ike-tw-x"))
        ),
        {("change-refused", NEAR)},
    ),
    (
        "the peer's attempts are half open, and ours are lost",
        alone(seen(near=(*SILENCE, *AGAIN), near_end={"half_open": HALF_OPEN})),
        {("half-open", NEAR)},
    ),
    (
        "half open while ours is answered",
        alone(seen(near=("received NO_PROPOSAL_CHOSEN notify error",), near_end={"half_open": HALF_OPEN})),
        {("ike-proposal-mismatch", NEAR)},
    ),
    (
        "half open in a managed pair, where both logs say more",
        seen(near=SILENCE, near_end={"half_open": HALF_OPEN}),
        {("ike-blocked", NEAR)},
    ),
    ("nothing comes back from a target", alone(seen(down=False, flow=LOST)), {("one-way", NEAR)}),
    (
        "nothing comes back from a target, since ESP is dropped here",
        alone(seen(down=False, flow=LOST, near_end=nft({"hook": "input"}, PROTOCOL, DROP))),
        {("esp-blocked", NEAR)},
    ),
    (
        "nothing enters the tunnel to a target",
        alone(seen(down=False, flow=replace(LOST, this_out=0))),
        {("not-encrypted", NEAR)},
    ),
    (
        "a target answers less than it is asked",
        alone(seen(down=False, flow=Flow(3, 1, 3, 0, 0, 1))),
        {("no-reply", NEAR)},
    ),
    ("a stream in one direction", alone(seen(down=False, flow=None, near_end={"sas": SENT})), set()),
    ("no words at all", seen(), {("not-established", NEAR)}),
]


@pytest.mark.parametrize(("evidence", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_follows_from_the_evidence(evidence: Evidence, expected: set[tuple[str, str]]) -> None:
    failures = [item for item in diagnose(evidence) if item.failure]
    assert {(item.code, item.tunnel) for item in failures} == expected, [item.message for item in failures]


def test_a_tunnel_that_is_disabled_is_worth_a_word() -> None:
    evidence = next(row[1] for row in TABLE if row[0] == "disabled at both ends")
    assert [(item.code, item.failure) for item in diagnose(evidence)] == [("disabled-in-git", False)] * 2


def test_the_words_are_about_the_port_that_is_lost() -> None:
    alone_, both = seen(near=NAT_SILENCE), seen(near=NAT_SILENCE, far=TRANSLATED[1][:1])
    [peer] = diagnose(alone(alone_))
    assert "answers on UDP 500, and not on UDP 4500" in peer.message
    [path] = diagnose(both)
    assert "drops UDP 4500" in path.message
    [rule] = [f for f in diagnose(seen(down=False, far_end=nft({"hook": "input"}, PORT, DROP))) if f.failure]
    assert "IKE (UDP 500) is dropped" in rule.message


def test_the_mss_to_set_is_said() -> None:
    [found] = diagnose(seen(down=False, lost_sizes=LostSizes(1228, 1232, there=True, back=True)))
    assert (found.field.kind, found.field.name, str(found.field)) == ("VpcRouter", "paris", "spec.mss")
    assert "from paris to tokyo and from tokyo to paris" in found.message
    assert "set `mss: 1188`" in found.hint


def test_of_a_stream_in_one_direction_it_is_said_that_nothing_comes() -> None:
    """It may be as it should be, so it is no failure."""
    found = diagnose(alone(seen(down=False, flow=None, near_end={"sas": SENT})))
    assert [(item.code, item.failure) for item in found] == [("one-way", False)]
    assert "probe.target" in found[0].hint
