"""What a run reports, one class for each thing. Plain values, without key material and operations.

Values of other modules that are reported as they are (`Diagnostic`, `Refusal`, `Deferral`, `Check`, `Loss`,
`Dropped`, `Armed`, `WentBack`) are events themselves. How each event is written, and read back, is in
`reconciler/report/json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self, TypeAlias

from reconciler.model.absence import Absence
from reconciler.model.condition import State
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.judgement import Deferral, Refusal, Withholding
from reconciler.model.outcome import Check, Dropped, Loss, Outcome, Status
from reconciler.model.plan import Action, Disruption, Phase, Resource, ResourceChange, Step
from reconciler.model.swanctl import Change
from reconciler.model.trace import Trace
from reconciler.model.way_back import Armed, WentBack


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step without its operation, which may hold a key."""

    router: str
    phase: Phase
    group: str
    summary: str
    disruption: Disruption

    @classmethod
    def of(cls, step: Step) -> Self:
        """What is reported of a step."""
        return cls(step.router, step.phase, step.group, step.summary, step.disruption)


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """A resource that a plan changes."""

    resource: Resource
    action: Action
    reason: str
    disruption: Disruption
    """The worst of its own steps."""
    changes: tuple[Change, ...] = ()
    steps: tuple[PlannedStep, ...] = ()
    more_changes: int = 0
    """How many fields there are beyond `changes`."""

    @classmethod
    def of(cls, change: ResourceChange, most: int | None = None) -> Self:
        """What is reported of a change, with up to `most` of its fields; without it with all."""
        shown = change.changes[:most]
        return cls(
            change.resource,
            change.action,
            change.reason,
            change.disruption,
            shown,
            tuple(map(PlannedStep.of, change.steps)),
            len(change.changes) - len(shown),
        )


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A router that has no part in a plan, or is left as it is in spite of it."""

    router: str
    absence: Absence


class WithheldFor(StrEnum):
    """Why a tunnel is left out."""

    KEY = "key"
    """The key of one of its ends cannot be read."""
    OTHER_END = "other-end"
    """Its other end cannot be changed together with it."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """A tunnel that is left out of a plan."""

    tunnel: str
    cause: WithheldFor
    reason: str


@dataclass(frozen=True, slots=True)
class DuplicateAddress:
    """An address that routers have on one public network, and that others shall get or have as well."""

    address: str
    network: str
    routers: tuple[str, ...]
    foreign: tuple[str, ...]
    """Those of them to which tunnelwright did not add it."""
    wanted: tuple[str, ...]
    """Routers that shall get it and cannot."""


@dataclass(frozen=True, slots=True)
class UnusedVip:
    """A VIP that stays on its router after the tunnel that had created it was deleted."""

    router: str
    address: str
    interface: str
    document: str


@dataclass(frozen=True, slots=True)
class Exposed:
    """Traffic between two CIDRs that leaves its router in the clear once the plan is applied."""

    router: str
    source: str
    destination: str
    later: bool = False
    """True for what comes of a part of the plan that is not done now."""


@dataclass(frozen=True, slots=True)
class ToConfirm:
    """A plan whose routers go back by themselves unless it is confirmed: the steps before and after all
    others that arm them, for so many seconds, and confirm them."""

    seconds: int
    steps: tuple[PlannedStep, ...]


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """The end of a plan: how many resources it creates, updates and deletes, and its digest."""

    create: int
    update: int
    delete: int
    digest: str
    more_exposed: int = 0
    """How many pairs of networks are in the clear beyond those that are named."""
    later: int = 0
    """How many of the resources are not changed now."""


@dataclass(frozen=True, slots=True)
class Overridden:
    """What would have been refused, deferred or withheld, and was not. That of a router reads as a Refusal
    when it is read back: which router it is stands in its resources."""

    finding: Refusal | Deferral | Withholding


@dataclass(frozen=True, slots=True)
class Held:
    """A change that the run may not make by itself."""

    resource: Resource
    reason: str


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs though no commit has changed it."""

    resource: Resource
    reason: str
    held: bool
    """False when the run repairs it."""


@dataclass(frozen=True, slots=True)
class Traced:
    """What a router with drift reports of the time since the last run."""

    router: str
    trace: Trace


@dataclass(frozen=True, slots=True)
class Down:
    """A tunnel that is configured as desired and has no CHILD_SA."""

    tunnel: str
    router: str


@dataclass(frozen=True, slots=True)
class Impaired:
    """A tunnel that is up and carries nothing, or is degraded, as the service's probes have found."""

    tunnel: str
    """The end that it is probed from."""
    router: str
    state: State
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """What a diagnosis has found of a tunnel that carries nothing."""

    tunnel: str
    """The end that it is probed from."""
    router: str
    causes: tuple[str, ...]
    """Empty where nothing is wrong any more."""
    reconnects: bool
    """Whether new SAs may help, so that the run plans to reconnect it."""

    def __str__(self) -> str:
        return "; ".join(self.causes) or "nothing is wrong with it any more"


class Part(StrEnum):
    """A part of the service that a run can do without."""

    REPOSITORY = "repository"
    HISTORY = "history"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a part of the service could not do, or what of it was set aside."""

    part: Part
    reason: str


@dataclass(frozen=True, slots=True)
class StepEnded:
    """One step's end; see `Outcome`."""

    step: PlannedStep
    status: Status
    message: str = ""
    seconds: float = 0.0

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """What is reported of a step's end."""
        return cls(PlannedStep.of(outcome.step), outcome.status, outcome.message, outcome.seconds)


@dataclass(frozen=True, slots=True)
class Rollback:
    """A commit that did not prove good, and the one that is in force again."""

    commit: str
    to: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many events of a run are not kept, since a record has at most `limit` bytes."""

    events: int
    limit: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """An event that another version has recorded: what it wrote, which is kept as it is. `meant` is the class
    of what this version calls by the same name and writes in another form; None for a name that it does not
    know."""

    written: Mapping[str, Any]
    meant: type[Any] | None = None


Event: TypeAlias = (
    Diagnostic
    | PlannedChange
    | Unreachable
    | Withheld
    | DuplicateAddress
    | UnusedVip
    | Exposed
    | ToConfirm
    | PlanSummary
    | Refusal
    | Deferral
    | Overridden
    | Held
    | Drift
    | Traced
    | Down
    | Impaired
    | Diagnosed
    | Trouble
    | StepEnded
    | Check
    | Loss
    | Dropped
    | Rollback
    | Armed
    | WentBack
    | LeftOut
    | Foreign
)
