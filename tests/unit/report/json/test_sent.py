"""What receivers of messages were sent is read back as it was kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.notification import Lasting, Sent, Topic
from reconciler.report.json.sent import read_sent, sent_object

STATES = st.builds(Lasting, st.sampled_from(Topic), st.text(), st.text())


@given(st.builds(Sent, st.integers(0, 99), st.frozensets(STATES)))
def test_it_is_read_as_it_was_kept(sent: Sent) -> None:
    assert read_sent(json.loads(json.dumps(sent_object(sent))), 99) == sent


def test_its_form_is_that_of_earlier_versions() -> None:
    sent = Sent(7, frozenset({Lasting(Topic.DOWN, "paris-tokyo", "paris"), Lasting(Topic.FAILED)}))
    assert sent_object(sent) == {"run": 7, "states": [["down", "paris-tokyo", "paris"], ["failed", "", ""]]}


@pytest.mark.parametrize("run", [-1, 8, True, "7"])
def test_a_run_that_cannot_have_been_is_not_believed(run: object) -> None:
    assert read_sent({"run": run, "states": []}, 7) is None
