"""What became of a step, and what a verification found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.plan import Step


class Status(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    NOT_ATTEMPTED = "not attempted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One step's end. `message` says why when it is not done; `seconds` is how long it took, for steps
    that ran as one batch the time of the batch."""

    step: Step
    status: Status
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Check:
    """One claim that was put to the test, with the evidence for a person."""

    name: str
    passed: bool
    evidence: str
