"""A run is read back as it was written."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.record import Result, RunRecord
from reconciler.report.json.run import read_run, run_object, run_summary

TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))
RUNS = st.builds(
    RunRecord,
    started=TIMES,
    finished=TIMES,
    trigger=st.text(),
    head=st.text(),
    in_force=st.text(),
    result=st.sampled_from(Result),
    message=st.text(),
    repeats=st.integers(min_value=0),
    id=st.integers(min_value=0),
)
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = RunRecord(AT, AT + timedelta(minutes=1), "commit", "4f1c", "4f1c", Result.CHANGED, "2 changed", id=7)


@given(RUNS)
def test_a_run_is_read_as_it_was_written(record: RunRecord) -> None:
    assert read_run(json.loads(json.dumps(run_summary(record)))) == record
    assert read_run(run_object(record)) == record, "what `--json` writes says the same"


def test_times_of_another_zone_are_read_in_ours() -> None:
    there = timezone(timedelta(hours=9))
    moved = replace(RUN, started=RUN.started.astimezone(there), finished=RUN.finished.astimezone(there))
    read = read_run(run_summary(moved))
    assert (read, read.started.tzinfo) == (RUN, UTC)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("started", "yesterday"),
        ("started", 5),
        ("finished", None),
        ("result", 5),
        ("id", "7"),
        ("repeats", 1.5),
    ],
)
def test_what_is_no_run_is_one_error(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_run(run_summary(RUN) | {key: value})
    with pytest.raises(ValueError, match=key):
        read_run({name: held for name, held in run_summary(RUN).items() if name != key})
