"""Which run has changed a connection last, and who had asked for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.history.kept import Kept
from reconciler.model.condition import Carriage, LastChange, State
from reconciler.model.events import PlannedStep, Rollback, StepEnded
from reconciler.model.outcome import Status
from reconciler.model.plan import Disruption, Phase
from reconciler.model.record import Result, RunRecord
from reconciler.service.last_changes import author_of, last_changes
from tests.unit.service.followed import followed

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def test_the_last_change_of_a_connection_has_its_commit_and_its_author(tmp_path: Path) -> None:
    site = followed(tmp_path)
    history = Kept(tmp_path / "state" / "history.db")
    first = site.once()
    assert first.result is Result.CHANGED
    change = history.last_changes()["paris-tokyo"]
    assert (change.commit, change.at) == (first.in_force, first.finished)
    author = site.repository.head.commit.author.name
    assert author
    assert change.author == author
    assert site.once().result is Result.IN_SYNC
    assert history.last_changes() == {"paris-tokyo": change}, "a run that changes nothing leaves it"


def test_what_git_has_no_longer_is_forgotten_also_without_probes(tmp_path: Path) -> None:
    site = followed(tmp_path)
    service = site.service()
    history = service.dependencies.history
    history.keep_last_changes({"gone": LastChange(NOW, "a" * 40, "Ann")})
    history.carry([Carriage("gone", "paris", "gone", State.UNKNOWN, "", NOW, NOW)])
    service.once()
    assert (set(history.last_changes()), history.carriages()) == ({"paris-tokyo"}, {})


def test_a_step_that_was_not_done_is_no_change(tmp_path: Path) -> None:
    step = PlannedStep("paris", Phase.SWITCH, "paris-tokyo", "terminate", Disruption.NONE)
    ended = [StepEnded(step, status) for status in Status if status is not Status.DONE]
    record = RunRecord(NOW, NOW, "once", "a" * 40, "a" * 40, Result.INCOMPLETE, "", tuple(ended))
    commits = followed(tmp_path).service().dependencies.repository
    assert last_changes(record, commits) == {}
    whole = replace(record, events=(StepEnded(step, Status.DONE),))
    # Where the commit is not here, the author is not known.
    assert last_changes(whole, commits) == {"paris-tokyo": LastChange(NOW, "a" * 40, "")}
    back = replace(whole, events=(*whole.events, Rollback("a" * 40, "b" * 40, "it did not prove good")))
    assert last_changes(back, commits) == {"paris-tokyo": LastChange(NOW, "b" * 40, "")}


@pytest.mark.parametrize(
    ("raw", "author"),
    [
        (
            b"tree 1\nauthor Ann Other <ann@example.net> 1764000000 +0100\ncommitter Bob <b> 1 +0000\n"
            b"\nauthor Eve <e> 1 +0000\n",
            "Ann Other",
        ),
        (b"author <unnamed@example.net> 1 +0000\n\n", ""),
        (b"tree 1\n\nauthor Eve <e> 1 +0000\n", ""),
        (b"author " + b"x" * 500 + b" <x> 1 +0000\n", "x" * 100),
        (b"author J\xf6rg <j> 1 +0000\n", "J\N{REPLACEMENT CHARACTER}rg"),
    ],
)
def test_the_author_is_in_the_headers_of_a_commit(raw: bytes, author: str) -> None:
    assert author_of(raw) == author
