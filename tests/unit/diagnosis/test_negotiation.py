"""What the two ends say to each other, as a truth table: the codes that follow, no more, no less."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diagnosis import Evidence
from tests.unit.diagnosis.seen import (
    ESP,
    FAR,
    HEALTHY,
    IKE,
    LOOKING,
    NEAR,
    SILENCE,
    UP,
    Row,
    alone,
    child,
    drifted,
    each_of,
    failures,
    offers,
    refused,
    seen,
)

TABLE: list[Row] = [
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
            other_end=drifted(FAR, connections={}),
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
            other_end={
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
                        HEALTHY.this_end.sas[0],
                        children=(child("aaaaaaaa", "bbbbbbbb", ("10.1.0.0/24",), ("10.2.0.0/25",)),),
                    ),
                )
            },
        ),
        {("selector-narrowed", NEAR)},
    ),
    (
        "answered late",
        seen(near=(*SILENCE, "received packet: from 203.0.113.12[500] to 203.0.113.11[500] (4 bytes)")),
        {("not-established", NEAR)},
    ),
    (
        "wrong key, IKEv1, peer not managed",
        alone(seen(near=("invalid HASH_V1 payload length, decryption failed?", *SILENCE))),
        {("wrong-key", NEAR)},
    ),
    (
        "ESP proposals at a rekey",
        seen(
            down=False,
            other_end={
                "said_rekeying": (*offers(ESP, (256, 2048), (128, 2048)), "no acceptable proposal found")
            },
            rekey_failure="CHILD_SA rekeying failed, trying again in 13 seconds",
        ),
        {("esp-proposal-mismatch", FAR)},
    ),
    ("no words at all", seen(), {("not-established", NEAR)}),
    (
        "a change that the peer refuses",
        alone(
            seen(down=False, flow=None, near_end=refused("received AUTHENTICATION_FAILED", key="ike-tw-x"))
        ),
        {("change-refused", NEAR)},
    ),
]


@each_of(TABLE)
def test_what_follows_from_the_evidence(evidence: Evidence, expected: set[tuple[str, str]]) -> None:
    assert failures(evidence) == expected
