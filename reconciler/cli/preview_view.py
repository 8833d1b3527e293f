"""The preview of a commit as text and as JSON, for `preview` and `rollback`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.errors import ExitCode
from reconciler.operations.commit import Commit
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object
from reconciler.report.json.judgement import judgement_objects
from reconciler.report.json.plan import plan_objects
from reconciler.report.json.results import note_object, preview_object
from reconciler.report.judgement_text import judgement_lines
from reconciler.report.line import Line
from reconciler.report.plan_text import plan_lines


def preview_lines(commit: Commit, *, whole: bool) -> Iterator[Line]:
    """The findings, the plan, and the notes."""
    yield from diagnostic_lines(commit.found)
    if commit.step is not None:
        step = commit.step
        yield from plan_lines(step.plan, step.unchanged, step.now, whole=whole)
        yield from judgement_lines(step.judgement)
        yield from (Line(f"note: {note}") for note in step.notes)


def preview_objects(commit: Commit) -> Iterator[dict[str, Any]]:
    """The same, and the two revisions."""
    yield from map(diagnostic_object, commit.found)
    if commit.step is not None:
        yield from plan_objects(commit.step.plan, commit.step.now)
        yield from judgement_objects(commit.step.judgement)
        yield from map(note_object, commit.step.notes)
    yield preview_object(commit.before.revision, commit.after.revision)


def preview_code(commit: Commit) -> ExitCode:
    """What a command ends with that has shown one."""
    if not commit.valid:
        return ExitCode.INVALID
    refused = commit.step is not None and commit.step.judgement.refusals
    return ExitCode.UNSAFE if refused else ExitCode.OK
