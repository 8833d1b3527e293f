"""The record of one run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from reconciler.model.events import Event, Foreign

Kind = TypeVar("Kind", bound=Event)


class Result(StrEnum):
    """How a run ended."""

    IN_SYNC = "in sync"
    CHANGED = "changed"
    """The plan was applied and proven."""
    HELD = "held"
    """There are differences that the run may not repair, or that its peer does not let it repair."""
    INCOMPLETE = "incomplete"
    """A step failed, a router could not be read or locked, or a check did not pass."""
    ROLLED_BACK = "rolled back"
    """A check did not pass, and the configuration before it came back."""
    STOPPED = "stopped"
    """The run was asked to end before all steps were done."""
    FAILED = "failed"
    """There was no plan, or it was refused as a whole."""


GOOD = frozenset({Result.IN_SYNC, Result.CHANGED, Result.HELD})
"""How a run ends when all that it may do was done, and proven."""


@dataclass(frozen=True, slots=True)
class ForeignResult:
    """A result that another version has recorded, and that this one does not know; kept as it is."""

    value: str

    def __str__(self) -> str:
        return f"{self.value} (recorded by another version)"


def read_result(value: str) -> Result | ForeignResult:
    """The result that a record calls so."""
    try:
        return Result(value)
    except ValueError:
        return ForeignResult(value)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. Times are in UTC; it holds no key material."""

    started: datetime
    finished: datetime
    trigger: str
    """Why it ran: `once`, `interval`, `commit`, `webhook`, `retry`, `recovered`, `down`, or the
    command."""
    head: str
    """The commit that the branch has; empty when none is known."""
    in_force: str
    """The commit that was reconciled; another than `head` when that was refused."""
    result: Result | ForeignResult
    message: str
    events: tuple[Event, ...] = ()
    """What it found and did: diagnostics, plan, outcomes, checks."""
    id: int = 0
    repeats: int = 1
    """How many runs in a row were the same and found nothing to do."""

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The events of one class, in their order.

        Raises ValueError where another version has recorded one of them in a form that this one cannot read.
        """
        for event in self.events:
            if isinstance(event, Foreign) and event.meant is kind:
                raise ValueError(f"run {self.id} holds a {kind.__name__} that another version has recorded")
        return [event for event in self.events if isinstance(event, kind)]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """That a commit counts: because of its signature, or because an operator says so. The time is in UTC."""

    commit: str
    at: datetime
    by: str
    """Who signed it, or `user@host` of the operator."""
    instead_of: str = ""
    """Of what an operator accepts: the last good commit at that time, from which this one does not descend.
    Empty where a signature was the reason."""
    number: int = 0
    """Its place in the order in which the history got them: clocks are set back."""

    def __str__(self) -> str:
        return f"{self.commit[:12]} was accepted by {self.by} at {self.at:%Y-%m-%d %H:%M:%SZ}"
