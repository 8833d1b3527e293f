"""What the limits say of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from reconciler.model.plan import Resource, ResourceChange


class Override(StrEnum):
    """A limit that a person may set aside for one run."""

    DELETIONS = "deletions"
    WINDOWS = "windows"
    BUDGET = "budget"
    MANAGEMENT = "management"
    IKEV1 = "ikev1"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing of a plan is done. `override` is None where no option helps."""

    resources: tuple[Resource, ...]
    reason: str
    hint: str
    override: Override | None = None


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why some of a plan waits: all of one tunnel, at both of its ends. `until` is the earliest time at which
    it may go on; None where that is not a matter of time. `override` is None where no option helps."""

    resources: tuple[Resource, ...]
    reason: str
    override: Override | None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Withholding:
    """Why nothing is done at one router. `resources` are what is to blame; `override` is None where no option
    helps."""

    router: str
    resources: tuple[Resource, ...]
    reason: str
    hint: str
    override: Override | None = None


Finding: TypeAlias = Refusal | Deferral


@dataclass(frozen=True, slots=True)
class Judgement:
    """What may be done of a plan now: nothing when anything is refused, else all that is not deferred."""

    refusals: tuple[Refusal, ...] = ()
    deferrals: tuple[Deferral, ...] = ()
    overridden: tuple[Finding | Withholding, ...] = ()
    """What would have been refused, deferred or withheld."""

    @property
    def deferred(self) -> dict[Resource, Deferral]:
        """Each resource that waits, and why."""
        return {resource: found for found in self.deferrals for resource in found.resources}

    def allows(self, change: ResourceChange) -> bool:
        """Whether a change may be made now: the change filter of the plan that may be applied."""
        return not self.refusals and change.resource not in self.deferred
