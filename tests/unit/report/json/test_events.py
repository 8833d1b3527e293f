"""Every event is written as every version has written it, and read back, whichever version wrote it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.absence import AbsenceKind
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.events import (
    Event,
    Foreign,
    Overridden,
    PlannedChange,
    StepEnded,
    Unreachable,
    Withheld,
    WithheldFor,
)
from reconciler.model.judgement import Override, Refusal, Withholding
from reconciler.model.operation import WriteFile
from reconciler.model.outcome import Loss, Outcome, Status
from reconciler.model.plan import Action, Disruption, Phase, ResourceChange, Step
from reconciler.model.secret import Secret
from reconciler.report.json.events import FORMS, decode, encode, read_objects
from tests.unit.report.json.written import END, WRITTEN

FORMER = [
    json.loads(line) for line in (Path(__file__).parent / "former.jsonl").read_text().splitlines() if line
]
"""Objects as they stand in the history of a controller of the version before events had classes."""
OBJECTS = [written for _, written in WRITTEN]


@pytest.mark.parametrize(("event", "written"), WRITTEN, ids=lambda value: type(value).__name__)
def test_an_event_is_written_as_ever_and_read_back(event: Event, written: dict[str, Any]) -> None:
    # The text, since the order of the keys is that of the lines that people read.
    assert json.dumps(encode(event)) == json.dumps(written)
    assert decode(json.loads(json.dumps(written))) == event


def test_events_of_a_run_are_one_text_and_read_back() -> None:
    events = [event for event, _ in WRITTEN]
    assert [decode(item) for item in read_objects(json.dumps([encode(event) for event in events]))] == events


@pytest.mark.parametrize("text", ["{}", "5", "[5]", '[{"kind": "run"}]', '[{"type": 5}]', "[", "[" * 99_999])
def test_another_text_is_no_list_of_events(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        read_objects(text)


def test_every_class_of_events_has_a_form_of_its_own_and_is_tested() -> None:
    classes = set(get_args(Event)) - {Foreign}
    assert {form.of for form in FORMS} == classes
    assert {type(event) for event, _ in WRITTEN} == classes
    assert len({form.name for form in FORMS}) == len(classes)


def test_every_type_of_the_version_before_is_known_still() -> None:
    then = {written["type"] for written in FORMER}
    assert len(then) == 19
    assert then <= {form.name for form in FORMS}


@pytest.mark.parametrize("written", FORMER, ids=lambda written: str(written["type"]))
def test_what_the_version_before_has_recorded_is_read_and_written_alike(written: dict[str, Any]) -> None:
    event = decode(written)
    assert not isinstance(event, Foreign)
    assert json.dumps(encode(event)) == json.dumps(written)


def without(name: str, *keys: str) -> dict[str, Any]:
    """What a version wrote that did not know these keys yet."""
    written = next(written for written in OBJECTS if written["type"] == name)
    return {key: value for key, value in written.items() if key not in keys}


def test_keys_that_came_later_have_defaults() -> None:
    away, left, loss, found = (
        decode(without("unreachable", "kind")),
        decode(without("withheld", "cause")),
        decode(without("loss", "silent_ms")),
        decode(without("diagnostic", "more_related", "stands_for")),
    )
    assert isinstance(away, Unreachable)
    assert away.absence.kind is AbsenceKind.UNREACHABLE
    assert isinstance(left, Withheld)
    assert left.cause is WithheldFor.OTHER_END
    assert isinstance(loss, Loss)
    assert loss.silent == 0
    assert isinstance(found, Diagnostic)
    assert (found.more_related, found.stands_for) == (0, 1)


@pytest.mark.parametrize("written", [{"type": "of-tomorrow", "a": [1, None]}, {"type": ""}, {}, {"type": []}])
def test_an_unknown_type_is_kept_as_it_is(written: dict[str, Any]) -> None:
    assert decode(written) == Foreign(written)
    assert encode(decode(written)) == written


@pytest.mark.parametrize("written", OBJECTS, ids=lambda written: str(written["type"]))
def test_another_form_of_a_known_type_is_kept_as_it_is(written: dict[str, Any]) -> None:
    optional = {"kind", "cause", "more_related", "stands_for", "silent_ms", "until", "hint", "override"}
    optional |= {"more_changes", "more_exposed", "later"}
    named = FORMS.named(written["type"])
    assert named is not None
    for key in written.keys() - {"type"}:
        other = {**written, key: {"of": "tomorrow"}}
        assert decode(other) == Foreign(other, named.of), key
        if key not in optional:
            less = {name: value for name, value in written.items() if name != key}
            assert decode(less) == Foreign(less, named.of), key


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(OBJECTS), st.data())
def test_whatever_stands_there_nothing_is_raised(written: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(written)))
    event = decode({**written, key: data.draw(JSON)})
    assert json.dumps(encode(event))


@pytest.mark.parametrize(
    ("name", "key"), [("loss", "longest_ms"), ("loss", "silent_ms"), ("outcome", "seconds")]
)
def test_a_number_that_no_float_can_hold_is_kept_as_it_is(name: str, key: str) -> None:
    written = {**next(written for written in OBJECTS if written["type"] == name), key: 10**400}
    assert isinstance(decode(written), Foreign)
    assert encode(decode(written)) == written


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_json_calls_no_number_is_none(number: float) -> None:
    """Python reads NaN, and would write it where no other program reads it."""
    written = {**next(written for written in OBJECTS if written["type"] == "outcome"), "seconds": number}
    assert isinstance(decode(written), Foreign)


def test_text_that_cannot_be_encoded_is_text() -> None:
    written = {"type": "trouble", "unit": "keys", "reason": "a name \udcff"}
    assert not isinstance(decode(written), Foreign)
    assert encode(decode(written)) == written


def test_a_router_that_was_not_withheld_reads_as_what_was_not_refused() -> None:
    withholding = Withholding("paris", (END,), "reason", "hint", Override.DELETIONS)
    written = encode(Overridden(withholding))
    assert "router" not in written
    assert decode(written) == Overridden(Refusal((END,), "reason", "hint", Override.DELETIONS))


def test_no_event_of_a_step_or_a_change_holds_its_operation() -> None:
    key = Secret(b"PLANTED-IN-A-FILE")
    step = Step("paris", Phase.COMMIT, "g", "write", Disruption.NONE, WriteFile("/etc/x", key))
    change = PlannedChange.of(ResourceChange(END, Action.CREATE, "reason", (), (step,)))
    ended = StepEnded.of(Outcome(step, Status.DONE))
    assert change.steps == (ended.step,)
    assert not hasattr(ended.step, "operation")
