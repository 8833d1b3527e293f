"""Which packets are too large for the path: the codes that follow, and the MSS to set."""

from __future__ import annotations

from reconciler.diagnosis import Evidence, diagnose
from reconciler.diagnosis.evidence import LostSizes
from tests.unit.diagnosis.seen import (
    FAR,
    NEAR,
    Row,
    each_of,
    failures,
    seen,
)

TABLE: list[Row] = [
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
]


@each_of(TABLE)
def test_what_follows_from_the_evidence(evidence: Evidence, expected: set[tuple[str, str]]) -> None:
    assert failures(evidence) == expected


def test_the_mss_to_set_is_said() -> None:
    [found] = diagnose(seen(down=False, lost_sizes=LostSizes(1228, 1232, there=True, back=True)))
    assert (found.field.kind, found.field.name, str(found.field)) == ("VpcRouter", "paris", "spec.mss")
    assert "from paris to tokyo and from tokyo to paris" in found.message
    assert "set `mss: 1188`" in found.hint
