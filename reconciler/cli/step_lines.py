"""The steps of an apply on standard error as they end; many of one kind as one line."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

from reconciler.cli.output import Output
from reconciler.model.listing import counted
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Step
from reconciler.report.line import Line
from reconciler.report.plan_text import outcome_line
from reconciler.report.together import ONE_BY_ONE, StepKind, step_kind

_MOST_NOT_DONE = 20
"""Steps of one kind that were not done, each of which has a line."""


class StepLines:
    """Gets the steps that are to be done, then the outcome of each. A step that was not done has a line of
    its own; the others of many of one kind have one together, once all of them have ended."""

    def __init__(self, output: Output, *, whole: bool) -> None:
        """With `whole` each step has a line."""
        self._output = output
        self._whole = whole
        self._planned: Counter[StepKind] = Counter()
        self._ended: Counter[StepKind] = Counter()
        self._undone: Counter[StepKind] = Counter()

    @property
    def begun(self) -> bool:
        """Whether a step has ended."""
        return bool(self._ended)

    @property
    def account(self) -> str:
        """How many steps were done, of those that were to be done."""
        done = self._ended.total() - self._undone.total()
        return f"{done} of {counted(max(self._planned.total(), self._ended.total()), 'step')} were done"

    def expect(self, steps: Iterable[Step]) -> None:
        """These are to be done."""
        self._planned = Counter(map(step_kind, steps))

    def ended(self, outcome: Outcome) -> None:
        """One has ended."""
        kind = step_kind(outcome.step)
        self._ended[kind] += 1
        if outcome.status is not Status.DONE:
            self._undone[kind] += 1
        if self._whole or self._planned[kind] <= ONE_BY_ONE:
            self._write(outcome_line(outcome))
            return
        if outcome.status is not Status.DONE and self._undone[kind] <= _MOST_NOT_DONE:
            self._write(outcome_line(outcome))
        if self._ended[kind] == self._planned[kind]:
            self._write(self._together(outcome.step, kind))

    def _together(self, last: Step, kind: StepKind) -> Line:
        undone = self._undone[kind]
        done = self._ended[kind] - undone
        alike = f"like [{last.router}] {last.summary}"
        if undone:
            return Line(f"  ✗ {done} done, {undone} not done, {alike}", "bold red")
        return Line(f"  ✓ {counted(done, 'step')} {alike}", "green")

    def _write(self, line: Line) -> None:
        self._output.lines([line], sys.stderr)
