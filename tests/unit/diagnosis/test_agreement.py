"""What a diagnosis finds agrees with what `status` says of the same SAs, for all evidence of the tables."""

from __future__ import annotations

import pytest

from reconciler.diagnosis import End, Evidence, diagnose
from reconciler.facets.sas import agreement
from reconciler.model.condition import TROUBLE, EndCondition, State
from reconciler.verify.condition import standing, together
from tests.unit.diagnosis.tables import ROWS


def condition(end: End) -> EndCondition:
    state, reason = State.DISABLED, ""
    if end.state is None:
        state = State.UNKNOWN
    elif end.connection is not None:
        state, reason = standing(end.tunnel, end.sas, tuple(end.connection.children))
    return EndCondition(end.tunnel, state, reason, "", end.sas, agreement.carrying(end.sas))


@pytest.mark.parametrize("evidence", [row[1] for row in ROWS], ids=[row[0] for row in ROWS])
def test_trouble_has_a_finding_and_a_cause_shows_as_trouble(evidence: Evidence) -> None:
    state, reason = together(tuple(map(condition, evidence.ends)))
    found = diagnose(evidence)
    if state in TROUBLE:
        assert found, (state, reason)
    if not found:
        assert state in {State.UP, State.DISABLED}
    if state is State.DOWN:
        assert any(item.failure for item in found), (state, reason)
    codes = {item.code for item in found}
    if codes & {"ike-proposal-mismatch", "wrong-key", "not-established", "selector-mismatch"}:
        assert state is State.DOWN, codes
