"""Where packets are lost, as a truth table: the codes that follow."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diagnosis import Evidence, diagnose
from reconciler.diagnosis.evidence import Flow, ForeignChild, Route
from tests.unit.diagnosis.seen import (
    DROP,
    FAR,
    HEALTHY,
    LOST,
    MASQUERADE,
    NEAR,
    PORT,
    PROTOCOL,
    SILENCE,
    TRANSLATED,
    Row,
    alone,
    changed,
    child,
    each_of,
    failures,
    nft,
    seen,
)

ONE_MORE = tuple(
    replace(sa, children=(*sa.children, child("cccccccc", "dddddddd", ("10.1.0.0/24",), ("10.2.0.0/24",))))
    for sa in HEALTHY.this_end.sas
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

TABLE: list[Row] = [
    ("silent, peer not managed", alone(seen(near=SILENCE)), {("peer-silent", NEAR)}),
    ("lost on the way there", seen(near=SILENCE), {("ike-blocked", NEAR)}),
    (
        "dropped at the responder",
        seen(near=SILENCE, other_end=nft({"hook": "input"}, PORT, DROP)),
        {("ike-blocked", FAR)},
    ),
    (
        "dropped at the initiator",
        seen(near=SILENCE, near_end=nft({"hook": "output"}, PORT, DROP)),
        {("ike-blocked", NEAR)},
    ),
    (
        "a rule that drops IKE ends a tunnel that is up",
        seen(down=False, other_end=nft({"hook": "input"}, PORT, DROP)),
        {("ike-blocked", FAR)},
    ),
    (
        "a rule that drops IKE on a port that the NAT does not leave to it",
        seen(down=False, near_end={"sas": ENCAPSULATED}, other_end=nft({"hook": "input"}, PORT, DROP)),
        set(),
    ),
    (
        "the same, where IKE was answered just now",
        seen(
            down=False,
            near=("received packet: from 203.0.113.12[500] to 203.0.113.11[500] (4 bytes)",),
            other_end=nft({"hook": "input"}, PORT, DROP),
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
        seen(down=False, other_end=nft({"hook": "forward"}, DROP)),
        {("forward-blocked", FAR)},
    ),
    (
        "a foreign policy",
        seen(down=False, other_end={"foreign": (ForeignChild("x", "y", ("10.2.0.0/16",), ("10.0.0.0/8",)),)}),
        {("overlapping-policy", FAR)},
    ),
    (
        "foreign connections that claim other traffic",
        seen(
            down=False,
            other_end={
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
        seen(down=False, flow=LOST, other_end={"sas": ()}),
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
        seen(near=SILENCE, down=False, flow=LOST, other_end={"sas": ()}),
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
                "other_end",
                {"foreign": (ForeignChild("x", "y", ("10.2.0.0/16",), ("10.0.0.0/8",)),)},
                FAR,
            ),
            ("one-sided-sa", "other_end", {"sas": ()}, NEAR),
        )
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
]


@each_of(TABLE)
def test_what_follows_from_the_evidence(evidence: Evidence, expected: set[tuple[str, str]]) -> None:
    assert failures(evidence) == expected


def test_the_words_are_about_the_port_that_is_lost() -> None:
    alone_, both = seen(near=NAT_SILENCE), seen(near=NAT_SILENCE, far=TRANSLATED[1][:1])
    [peer] = diagnose(alone(alone_))
    assert "answers on UDP 500, and not on UDP 4500" in peer.message
    [path] = diagnose(both)
    assert "drops UDP 4500" in path.message
    [rule] = [
        f for f in diagnose(seen(down=False, other_end=nft({"hook": "input"}, PORT, DROP))) if f.failure
    ]
    assert "IKE (UDP 500) is dropped" in rule.message
