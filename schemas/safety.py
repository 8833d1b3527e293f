"""What an apply may do at once, and when: limits that hold whoever applies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from schemas.base import MOST_LISTED, SEQUENCE, Document, Model, diagnosed


def _schedule(text: str) -> str:
    if len(text.split()) != 5:
        raise PydanticCustomError("invalid_schedule", "{text} has not five fields", {"text": repr(text)})
    try:
        # Whether it ever comes is only known when it is looked for.
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        reason = str(error).lower() or "no such time ever comes"
        raise PydanticCustomError(
            "invalid_schedule", "{text}: {reason}", {"text": repr(text), "reason": reason}
        ) from None
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise PydanticCustomError(
            "invalid_timezone", "{text} is no time zone", {"text": repr(text)}
        ) from None
    return text


Schedule = Annotated[
    str, Field(max_length=255, json_schema_extra=diagnosed("invalid-schedule")), AfterValidator(_schedule)
]
"""A cron expression of five fields."""

Timezone = Annotated[
    str, Field(max_length=255, json_schema_extra=diagnosed("invalid-timezone")), AfterValidator(_timezone)
]
"""A name of the IANA time zone database."""


class DeletionsSpec(Model):
    """How many tunnels one plan may destroy. Disabling a tunnel destroys it as well."""

    max_share: int = Field(
        default=30,
        ge=0,
        le=100,
        description=(
            "Percent of the tunnel ends on a router, and of those on all routers, that one plan may destroy; "
            "a plan that destroys more is refused, or waits on that router where it is too much there alone."
        ),
        examples=[20],
    )
    minimum: int = Field(
        default=10,
        ge=1,
        le=1_000_000,
        description="The share counts where there are at least so many tunnel ends.",
        examples=[5],
    )


class BudgetSpec(Model):
    """How many tunnels one apply may interrupt. A tunnel is one, with both of its ends."""

    max_interrupted: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="At most so many tunnels are interrupted at once; the others wait. Default: no limit.",
        examples=[2],
    )


class WindowSpec(Model):
    """A time in which tunnels may, or may not, be interrupted."""

    kind: Literal["allow", "deny"] = Field(
        description="What the window does. A window that denies wins over one that allows.",
        examples=["allow"],
    )
    schedule: Schedule = Field(
        description=(
            "When it begins: minute, hour, day of the month, month, day of the week, as in crontab(5). A "
            "time that the clocks skip comes when they have; one that comes twice is taken once, the first "
            "time."
        ),
        examples=["0 2 * * SAT"],
    )
    duration: int = Field(
        ge=60,
        le=2_678_400,
        description="Seconds that it lasts, from one minute to 31 days.",
        examples=[14_400],
    )
    timezone: Timezone = Field(
        default="UTC",
        description="The time zone of the schedule, by its name in the IANA database.",
        examples=["Europe/Paris"],
    )


class SafetyPolicySpec(Model):
    """The limits. Each has an `--override` of its own."""

    deletions: DeletionsSpec = Field(
        default_factory=DeletionsSpec,
        description="How many tunnels one plan may destroy.",
        examples=[{"maxShare": 20, "minimum": 5}],
    )
    budget: BudgetSpec = Field(
        default_factory=BudgetSpec,
        description="How many tunnels one apply may interrupt.",
        examples=[{"maxInterrupted": 2}],
    )
    windows: Annotated[tuple[WindowSpec, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_LISTED,
        description=(
            "When tunnels may be interrupted or destroyed; steps that lose no packet never wait. With no "
            "window of kind `allow`: whenever no window denies it."
        ),
        examples=[
            [{"kind": "allow", "schedule": "0 2 * * SAT", "duration": 14_400, "timezone": "Europe/Paris"}]
        ],
    )


class SafetyPolicy(Document):
    """What an apply may do at once, and when. At most one document of this kind."""

    kind: Literal["SafetyPolicy"] = Field(description="The kind of document.", examples=["SafetyPolicy"])
    spec: SafetyPolicySpec = Field(description="The limits.")
