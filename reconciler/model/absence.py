"""Why a router has no part in a plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from reconciler.model.errors import (
    AnswerNotUnderstood,
    Locked,
    LockUnavailable,
    PlanStale,
    RouterWithheld,
    TunnelwrightError,
    Unforeseen,
)


class AbsenceKind(StrEnum):
    """What kept a router out."""

    UNREACHABLE = "unreachable"
    """It did not answer, or refused what it was asked."""
    NOT_UNDERSTOOD = "not-understood"
    """It answered, and the answer was not understood."""
    NOT_LOCKED = "not-locked"
    """Its lock could not be taken."""
    CHANGED = "changed"
    """Its state differed when it was observed again, before it was to be changed."""
    WITHHELD = "withheld"
    """It holds what nothing shows to be Git's, and more of it than may be destroyed there."""
    UNFORESEEN = "unforeseen"
    """An unforeseen error ended the work at it."""


_KINDS: tuple[tuple[type[TunnelwrightError], AbsenceKind], ...] = (
    (AnswerNotUnderstood, AbsenceKind.NOT_UNDERSTOOD),
    (Locked, AbsenceKind.NOT_LOCKED),
    (LockUnavailable, AbsenceKind.NOT_LOCKED),
    (PlanStale, AbsenceKind.CHANGED),
    (RouterWithheld, AbsenceKind.WITHHELD),
    (Unforeseen, AbsenceKind.UNFORESEEN),
)


@dataclass(frozen=True, slots=True)
class Absence:
    """A router that could not be planned. `reason` is a sentence that ends with the hint, if there is one."""

    kind: AbsenceKind
    reason: str

    @classmethod
    def of(cls, error: TunnelwrightError) -> Self:
        """The absence that an error at a router makes."""
        kind = next((kind for of, kind in _KINDS if isinstance(error, of)), AbsenceKind.UNREACHABLE)
        return cls(kind, f"{error.message} ({error.hint})" if error.hint else error.message)

    def __str__(self) -> str:
        return f"unreachable: {self.reason}" if self.kind is AbsenceKind.UNREACHABLE else self.reason

    @property
    def ails(self) -> str:
        """The same in few words, after the router's name."""
        return "is unreachable" if self.kind is AbsenceKind.UNREACHABLE else "is not planned"

    def sentence(self, router: str) -> str:
        """The same, as a sentence about the router."""
        return f"{router} is {self}" if self.kind is AbsenceKind.UNREACHABLE else f"{router}: {self}"
