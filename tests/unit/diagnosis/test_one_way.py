"""Traffic that comes back from nowhere: the codes that follow."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diagnosis import Evidence, diagnose
from tests.unit.diagnosis.seen import (
    DROP,
    HEALTHY,
    LOST,
    NEAR,
    PROTOCOL,
    Row,
    alone,
    each_of,
    failures,
    nft,
    seen,
)

SENT = tuple(
    replace(sa, children=tuple(replace(one, packets_out=5) for one in sa.children))
    for sa in HEALTHY.this_end.sas
)

TABLE: list[Row] = [
    ("nothing comes back from a target", alone(seen(down=False, flow=LOST)), {("one-way", NEAR)}),
    (
        "nothing comes back from a target, since ESP is dropped here",
        alone(seen(down=False, flow=LOST, near_end=nft({"hook": "input"}, PROTOCOL, DROP))),
        {("esp-blocked", NEAR)},
    ),
    ("a stream in one direction", alone(seen(down=False, flow=None, near_end={"sas": SENT})), set()),
]


@each_of(TABLE)
def test_what_follows_from_the_evidence(evidence: Evidence, expected: set[tuple[str, str]]) -> None:
    assert failures(evidence) == expected


def test_of_a_stream_in_one_direction_it_is_said_that_nothing_comes() -> None:
    """It may be as it should be, so it is no failure."""
    found = diagnose(alone(seen(down=False, flow=None, near_end={"sas": SENT})))
    assert [(item.code, item.failure) for item in found] == [("one-way", False)]
    assert "probe.target" in found[0].hint
