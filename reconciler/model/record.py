"""What one run came to, for whoever asks later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Result(StrEnum):
    """How a run ended."""

    IN_SYNC = "in sync"
    CHANGED = "changed"
    """The plan was applied and proven."""
    HELD = "held"
    """There are differences that the run may not mend by itself."""
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
class RunRecord:
    """One run. Times are in UTC; it holds no key material."""

    started: datetime
    finished: datetime
    trigger: str
    """Why it ran: `once`, `interval`, `commit`, `webhook`, `retry`, `recovered`, or the command."""
    head: str
    """The commit that the branch has; empty when none is known."""
    in_force: str
    """The commit that was reconciled; another than `head` when that was refused."""
    result: Result
    message: str
    objects: tuple[dict[str, Any], ...] = ()
    """What `--json` would have written: diagnostics, plan, outcomes, checks."""
    id: int = 0
    repeats: int = 1
    """How many runs in a row were the same and found nothing to do."""

    def summary(self) -> dict[str, Any]:
        """All of it but `objects`, as plain data."""
        return {
            "id": self.id,
            "started": self.started.isoformat(),
            "finished": self.finished.isoformat(),
            "trigger": self.trigger,
            "head": self.head,
            "in_force": self.in_force,
            "result": self.result.value,
            "message": self.message,
            "repeats": self.repeats,
        }


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

    def __str__(self) -> str:
        return f"{self.commit[:12]} was accepted by {self.by} at {self.at:%Y-%m-%d %H:%M:%SZ}"
