"""What receivers of notifications were sent is read back as it was kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.notification import Lasting, Sent, SentMessages, SentStatus, Topic, Unreadable
from reconciler.report.json.sent import read_sent, sent_object

STATES = st.builds(Lasting, st.sampled_from(Topic), st.text(), st.text())
STATUSES = st.builds(SentStatus, st.text(), st.text())
MESSAGES = st.builds(SentMessages, st.integers(min_value=0), st.frozensets(STATES))


@given(STATUSES | MESSAGES)
def test_it_is_read_as_it_was_kept(sent: Sent) -> None:
    assert read_sent(json.dumps(sent_object(sent))) == sent


def test_its_form_is_that_of_earlier_versions() -> None:
    states = frozenset({Lasting(Topic.DOWN, "paris-tokyo", "paris"), Lasting(Topic.FAILED)})
    assert sent_object(SentMessages(7, states)) == {
        "run": 7,
        "states": [["down", "paris-tokyo", "paris"], ["failed", "", ""]],
    }
    assert sent_object(SentStatus("a" * 40, "in sync")) == {"head": "a" * 40, "result": "in sync"}


@pytest.mark.parametrize("run", [-1, True, "7"])
def test_a_run_that_cannot_have_been_is_not_believed(run: object) -> None:
    assert read_sent(json.dumps({"run": run, "states": []})) == Unreadable()
