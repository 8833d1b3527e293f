"""What two routers hold, as a truth table: the codes that follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.diagnosis import Evidence, diagnose
from reconciler.diagnosis.evidence import ForeignChild, Route
from tests.unit.diagnosis.seen import (
    ARMED,
    DROP,
    FABRIC,
    FAR,
    HEALTHY,
    LOOKING,
    LOST,
    NEAR,
    SILENCE,
    Row,
    drifted,
    each_of,
    failures,
    nft,
    seen,
)

TABLE: list[Row] = [
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
            other_end={"tunnel": replace(FABRIC.tunnels[FAR], enabled=False), "connection": None},
        ),
        set(),
    ),
    ("a change that is not confirmed", seen(near_end={"state": ARMED}), {("router-armed", NEAR)}),
    ("the same, with the tunnel up", seen(down=False, near_end={"state": ARMED}), set()),
    (
        "router down",
        seen(near=SILENCE, other_end={"state": None, "unreachable": "it is off"}),
        {("router-unreachable", FAR)},
    ),
    (
        "disabled at both ends",
        seen(
            failure="",
            near_end={"tunnel": replace(HEALTHY.this_end.tunnel, enabled=False), "connection": None},
            other_end={"tunnel": replace(FABRIC.tunnels[FAR], enabled=False), "connection": None},
        ),
        set(),
    ),
    (
        "disabled at one end",
        seen(
            failure="",
            other_end={"tunnel": replace(FABRIC.tunnels[FAR], enabled=False), "connection": None},
        ),
        {("disabled-in-git", FAR)},
    ),
    ("guard missing, up", seen(down=False, near_end=drifted(NEAR, firewall=None)), {("drift", NEAR)}),
    (
        "guard missing, down",
        seen(near=SILENCE, near_end=drifted(NEAR, firewall=None)),
        {("cleartext-leak", NEAR), ("ike-blocked", NEAR)},
    ),
    (
        "no key, for it was unloaded",
        seen(
            far=(LOOKING, "no shared key found for '203.0.113.12' - '203.0.113.11'"),
            other_end=drifted(FAR, secret_ids=frozenset()),
        ),
        {("drift", FAR)},
    ),
    (
        "the exemption is missing",
        seen(down=False, flow=replace(LOST, this_out=0), near_end=drifted(NEAR, firewall=None)),
        {("drift", NEAR)},
    ),
]


@each_of(TABLE)
def test_what_follows_from_the_evidence(evidence: Evidence, expected: set[tuple[str, str]]) -> None:
    assert failures(evidence) == expected


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(0, None), (60, None), (-60, None), (61, "0:01:01 ahead of"), (-93_784, "1 day, 2:03:04 behind")],
)
def test_a_clock_that_differs_is_worth_a_word(ahead: int, words: str | None) -> None:
    """Of a tunnel that is well, and as no cause of one that is not."""
    for down in (False, True):
        evidence = seen(down=down, near_end={"clock_ahead": ahead})
        found = [item for item in diagnose(evidence) if item.code == "clock-differs"]
        assert [(item.message, item.failure) for item in found] == [
            (f"the clock of paris is {words} the controller's; no tunnel depends on it", False)
        ] * (words is not None)
        rest = [item for item in diagnose(evidence) if item not in found]
        assert rest == list(diagnose(seen(down=down)))


def test_a_tunnel_that_is_disabled_is_worth_a_word() -> None:
    evidence = next(row[1] for row in TABLE if row[0] == "disabled at both ends")
    assert [(item.code, item.failure) for item in diagnose(evidence)] == [("disabled-in-git", False)] * 2
