"""Limits that a fleet sets to what one run may do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import SEQUENCE, Model, diagnosed, one_of_schema, require_one


def _schedule(text: str) -> str:
    """Five fields, as crontab(5) has them, with a time that comes."""
    reason = "" if len(text.split()) == 5 else "it does not have five fields"
    try:
        # A leap year begins here, so that a schedule which ever comes has a first time.
        next(CronSim(text, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        reason = reason or str(error) or "there is no such time"
    if reason:
        raise PydanticCustomError("invalid_schedule", "{reason}", {"reason": f"{text!r}: {reason}"})
    return text


def _timezone(name: str) -> str:
    from zoneinfo import ZoneInfo  # noqa: PLC0415  not needed where no window is

    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise PydanticCustomError(
            "invalid_timezone", "{reason}", {"reason": f"there is no timezone {name!r}"}
        ) from None
    return name


Schedule = Annotated[str, Field(json_schema_extra=diagnosed("invalid-schedule")), AfterValidator(_schedule)]
Timezone = Annotated[str, Field(json_schema_extra=diagnosed("invalid-timezone")), AfterValidator(_timezone)]


class DeletionsSpec(Model):
    """How many tunnels one run may remove."""

    share: int = Field(
        default=30,
        ge=0,
        le=100,
        description="Percent of the tunnel ends that are on the routers. A plan that removes more is unsafe.",
        examples=[30],
    )
    minimum: int = Field(
        default=10,
        ge=0,
        description="Where there are fewer tunnel ends than this, the share does not count.",
        examples=[10],
    )


class WindowSpec(Model):
    """A time at which steps that interrupt may run, or may not: exactly one of `allow` and `deny`."""

    model_config = ConfigDict(json_schema_extra=one_of_schema("allow", "deny"))

    allow: Schedule | None = Field(
        default=None,
        description="When it opens, in cron's five fields. With any such window, all other times are closed.",
        examples=["0 2 * * 6"],
    )
    deny: Schedule | None = Field(
        default=None,
        description="When it closes, in cron's five fields. What is denied stays so, whatever is allowed.",
        examples=["0 0 24 12 *"],
    )
    minutes: int = Field(ge=1, le=44_640, description="How long it lasts, in minutes.", examples=[240])
    timezone: Timezone = Field(
        default="UTC", description="Timezone of the schedule, as IANA names it.", examples=["Europe/Berlin"]
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_one(self, "allow", "deny")
        return self


class SafetySpec(Model):
    """Limits to what one run may do. `--override` of `apply` lifts them one by one."""

    deletions: DeletionsSpec = Field(
        default_factory=DeletionsSpec,
        description="How many tunnels one run may remove.",
        examples=[{"share": 20, "minimum": 5}],
    )
    interruptions: int | None = Field(
        default=None,
        ge=0,
        description=(
            "How many tunnels one run may interrupt; the others wait for the next runs. Default: any number."
        ),
        examples=[5],
    )
    windows: Annotated[tuple[WindowSpec, ...], SEQUENCE] = Field(
        default=(),
        description=(
            "When steps that interrupt or destroy may run. Steps that lose no packet run at any time."
        ),
        examples=[[{"allow": "0 2 * * 6", "minutes": 240, "timezone": "Europe/Berlin"}]],
    )
