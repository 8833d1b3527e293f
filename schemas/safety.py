"""Limits for every apply: what it may do at once, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from schemas.base import MOST_LISTED, SEQUENCE, Document, Model, diagnosed
from schemas.label_selector import LabelSelectorSpec


def _schedule(text: str) -> str:
    if len(text.split()) != 5:
        raise PydanticCustomError(
            "invalid_schedule", "{text} does not have five fields", {"text": repr(text)}
        )
    try:
        # CronSim finds out only during the search whether a schedule ever matches.
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        reason = str(error).lower() or "it never matches any time"
        raise PydanticCustomError(
            "invalid_schedule", "{text}: {reason}", {"text": repr(text), "reason": reason}
        ) from None
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise PydanticCustomError(
            "invalid_timezone", "{text} is not a time zone", {"text": repr(text)}
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
            "Percentage of the tunnel ends on a router, and of those on all routers, that one plan may "
            "destroy. A plan that destroys more is refused; if only one router is the cause, the deletions "
            "there are deferred."
        ),
        examples=[20],
    )
    minimum: int = Field(
        default=10,
        ge=1,
        le=1_000_000,
        description="The number of tunnel ends from which the share applies.",
        examples=[5],
    )


class BudgetSpec(Model):
    """How many tunnels one apply may interrupt. A tunnel is one, with both of its ends."""

    max_interrupted: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="The number of tunnels that one apply may interrupt. Default: no limit.",
        examples=[2],
    )


class WindowSpec(Model):
    """A time in which tunnels may, or may not, be interrupted."""

    kind: Literal["allow", "deny"] = Field(
        description="The effect of the window. `deny` has priority over `allow`.",
        examples=["allow"],
    )
    schedule: Schedule = Field(
        description=(
            "When the window begins: minute, hour, day of the month, month, day of the week, as in "
            "crontab(5). If daylight saving time skips a time, the window begins right after the skip; if a "
            "time occurs twice, the first one counts."
        ),
        examples=["0 2 * * SAT"],
    )
    duration: int = Field(
        ge=60,
        le=2_678_400,
        description="Duration in seconds, from one minute to 31 days.",
        examples=[14_400],
    )
    timezone: Timezone = Field(
        default="UTC",
        description="The time zone of the schedule: its name in the IANA database.",
        examples=["Europe/Paris"],
    )


class SafetyPolicySpec(Model):
    """The limits. Each has its own `--override`. All policies that select a tunnel must permit its
    interruption."""

    selector: LabelSelectorSpec | None = Field(
        default=None,
        description=(
            "The tunnels that `budget` and `windows` concern, by the labels of either end. Their limits hold "
            "besides those of the whole fleet. Default: all tunnels."
        ),
        examples=[{"matchLabels": {"site": "berlin"}}],
        json_schema_extra=diagnosed("exactly-one", "second-defaults"),
    )
    deletions: DeletionsSpec = Field(
        default_factory=DeletionsSpec,
        description="How many tunnels one plan may destroy. A document with a selector cannot have it.",
        examples=[{"maxShare": 20, "minimum": 5}],
        json_schema_extra=diagnosed("refused"),
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
            "When tunnels may be interrupted or destroyed; steps without loss are never deferred. Without a "
            "window of kind `allow`, every time that no window denies is open."
        ),
        examples=[
            [{"kind": "allow", "schedule": "0 2 * * SAT", "duration": 14_400, "timezone": "Europe/Paris"}]
        ],
    )


class SafetyPolicy(Document):
    """What an apply may do at once, and when. At most one document of this kind has no selector."""

    kind: Literal["SafetyPolicy"] = Field(description="The kind of document.", examples=["SafetyPolicy"])
    spec: SafetyPolicySpec = Field(description="The limits.")
