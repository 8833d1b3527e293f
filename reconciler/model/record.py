"""The record of one run."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.model import bounds
from reconciler.model.visible import encodable


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
    number: int = 0
    """Its place in the order in which the history was told of them: clocks are set back."""

    def __str__(self) -> str:
        return f"{self.commit[:12]} was accepted by {self.by} at {self.at:%Y-%m-%d %H:%M:%SZ}"


_BULK = frozenset({"resource_change", "outcome", "check", "diagnostic", "trace"})
"""Types of objects that a run may have by the hundred thousand; what others hear of is the rest."""


def bounded(record: RunRecord) -> RunRecord:
    """The run with as many of its objects as may be kept, in their order, and how many of them are left out;
    of many alike the last ones go first."""
    sizes = [len(json.dumps(item)) for item in record.objects]
    # What is no text at all, in words of others, could not be written.
    message = encodable(record.message)
    if len(message) > bounds.RECORD_MESSAGE:
        message = f"{message[: bounds.RECORD_MESSAGE]}… ({len(message)} characters)"
    if sum(sizes) <= bounds.RECORD:
        return replace(record, message=message)
    room = bounds.RECORD
    kept: set[int] = set()
    order = sorted(range(len(sizes)), key=lambda number: record.objects[number]["type"] in _BULK)
    for number in order:
        room -= sizes[number]
        if room < 0:
            break
        kept.add(number)
    objects = [item for number, item in enumerate(record.objects) if number in kept]
    left_out = {"type": "left_out", "objects": len(sizes) - len(kept), "limit": bounds.RECORD}
    return replace(record, message=message, objects=(*objects, left_out))
