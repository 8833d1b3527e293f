"""The runs of a service, and the commits that they reconciled."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import Rollback, StepEnded
from reconciler.model.isolation import attempt
from reconciler.model.outcome import Loss, Status
from reconciler.model.record import RunRecord
from reconciler.page.snapshot import Source
from reconciler.page.views import Asked, Shown, missing
from reconciler.report.cost_text import cost_text
from reconciler.report.run_text import event_lines
from reconciler.service.last_changes import author_of

_COMMIT = re.compile("[0-9a-f]{4,64}")


def runs(source: Source, asked: Asked) -> Shown:
    """The latest runs, newest first."""
    if source.history is None:
        return missing("history of a service")
    found = source.history.outlines(bounds.PAGE_ROWS)
    every = "all" in asked
    shown = found if every else [run for run in found if run.repeats == 1] or found
    return Shown(
        "runs.html.j2", {"title": "Runs", "runs": shown, "every": every, "more": len(found) - len(shown)}
    )


@dataclass(frozen=True, slots=True)
class TimedStep:
    """A step of a run, with its share of the longest one."""

    ended: StepEnded
    share: float

    @property
    def is_done(self) -> bool:
        """Whether it was carried out."""
        return self.ended.status is Status.DONE


def run(source: Source, asked: Asked) -> Shown:
    """One run: its steps in their order with what each took, what they cost, and all else of its record."""
    number = asked["number"]
    if source.history is None or not (number.isascii() and number.isdigit() and len(number) <= 16):
        return missing("run")
    history = source.history
    record = attempt("page", "a run", lambda: history.run(int(number)))
    if isinstance(record, TunnelwrightError):
        return missing("run")
    steps = [event for event in record.events if isinstance(event, StepEnded)]
    longest = max((step.seconds for step in steps), default=0.0) or 1.0
    losses = [event for event in record.events if isinstance(event, Loss)]
    rest = [event for event in record.events if not isinstance(event, StepEnded | Loss)]
    return Shown(
        "run.html.j2",
        {
            "title": f"Run {record.id}",
            "run": record,
            "seconds": (record.finished - record.started).total_seconds(),
            "steps": [TimedStep(step, step.seconds / longest) for step in steps[: bounds.PAGE_ROWS]],
            "more_steps": max(0, len(steps) - bounds.PAGE_ROWS),
            "losses": [(loss, cost_text(loss)) for loss in sorted(losses, key=_worst)[: bounds.PAGE_ROWS]],
            "lines": [line for event in rest for line in event_lines(event)][: bounds.PAGE_ROWS * 5],
            "rolled_back": [event for event in record.events if isinstance(event, Rollback)],
        },
    )


def _worst(loss: Loss) -> tuple[int, str]:
    return -loss.lost, loss.tunnel


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as its runs have left it, the latest run first."""

    id: str
    subject: str
    author: str
    runs: tuple[RunRecord, ...]

    @property
    def latest(self) -> RunRecord:
        """The run that says how it stands with it."""
        return self.runs[0]

    @property
    def rolled_back(self) -> str:
        """Why it was rolled back; empty when it was not."""
        reasons = [event.reason for run in self.runs for event in run.events if isinstance(event, Rollback)]
        return reasons[0] if reasons else ""

    @property
    def steps(self) -> int:
        """How many steps its runs have carried out."""
        events = (event for run in self.runs for event in run.events)
        return sum(isinstance(event, StepEnded) and event.status is Status.DONE for event in events)

    @property
    def lost(self) -> tuple[int, int]:
        """Round trips that were lost while its changes were made, of how many."""
        losses = [event for run in self.runs for event in run.events if isinstance(event, Loss)]
        return sum(loss.lost for loss in losses), sum(loss.sent for loss in losses)


def commits(source: Source, _: Asked) -> Shown:
    """The commits that the latest runs reconciled, newest first."""
    if source.history is None:
        return missing("history of a service")
    of: dict[str, list[RunRecord]] = {}
    for record in source.history.outlines(bounds.PAGE_ROWS):
        if record.head:
            of.setdefault(record.head, []).append(record)
    found = [_commit(source, name, tuple(there)) for name, there in of.items()]
    return Shown(
        "commits.html.j2",
        {"title": "Commits", "commits": found, "good": source.history.good()},
    )


def commit(source: Source, asked: Asked) -> Shown:
    """One commit: its message, its runs, and the commands that are about it."""
    name = asked["commit"]
    if source.history is None or not _COMMIT.fullmatch(name):
        return missing("commit")
    there = source.history.outlines(bounds.PAGE_ROWS, name)
    heads = {run.head for run in there}
    if len(heads) != 1:
        return missing("commit")
    whole = tuple(source.history.run(run.id) for run in there[: bounds.PAGE_EVENTS])
    found = _commit(source, heads.pop(), whole)
    return Shown(
        "commit.html.j2",
        {"title": f"Commit {found.id[:12]}", "commit": found, "good": source.history.good()},
    )


def _commit(source: Source, name: str, there: tuple[RunRecord, ...]) -> Commit:
    raw = attempt("look-up", "a commit", lambda: source.raw(name))
    if isinstance(raw, TunnelwrightError):
        return Commit(name, "", "", there)
    subject = raw.partition(b"\n\n")[2].partition(b"\n")[0].decode(errors="replace")
    return Commit(name, subject[: bounds.PAGE_QUERY], author_of(raw), there)
