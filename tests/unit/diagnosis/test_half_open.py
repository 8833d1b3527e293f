"""Attempts of a peer that are half open: the codes that follow."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diagnosis import Evidence
from tests.unit.diagnosis.seen import (
    HEALTHY,
    NEAR,
    SILENCE,
    Row,
    alone,
    each_of,
    failures,
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

TABLE: list[Row] = [
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
]


@each_of(TABLE)
def test_what_follows_from_the_evidence(evidence: Evidence, expected: set[tuple[str, str]]) -> None:
    assert failures(evidence) == expected
