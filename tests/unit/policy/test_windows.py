"""Maintenance windows, also on the days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from reconciler.model.safety import Window
from reconciler.policy.windows import next_permitted, permitted

HOUR = 3600
SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)


def window(
    schedule: str, hours: float = 1, kind: Literal["allow", "deny"] = "allow", timezone: str = "UTC"
) -> Window:
    return Window(kind, schedule, int(hours * HOUR), timezone)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_without_windows_nothing_waits() -> None:
    assert permitted((), at("2026-05-05T12:00"))


@pytest.mark.parametrize(
    ("time", "open_"),
    [
        ("2026-05-09T01:59:59", False),
        ("2026-05-09T02:00", True),
        ("2026-05-09T05:59:59", True),
        ("2026-05-09T06:00", False),
        ("2026-05-10T03:00", False),
    ],
)
def test_a_window_begins_with_its_first_second_and_ends_before_its_last(time: str, open_: bool) -> None:
    assert permitted([[window("0 2 * * SAT", 4)]], at(time)) is open_


def test_denying_wins_and_alone_it_allows_all_else() -> None:
    deny = window("0 3 * * *", 1, "deny")
    assert permitted([[deny]], at("2026-05-09T02:30"))
    assert not permitted([[deny]], at("2026-05-09T03:30"))
    assert not permitted([[window("0 2 * * *", 4), deny]], at("2026-05-09T03:30"))
    assert permitted([[window("0 2 * * *", 4), deny]], at("2026-05-09T04:00"))
    assert not permitted([[window("0 2 * * *", 4), deny]], at("2026-05-09T12:00"))


def test_the_next_time_is_after_what_denies_it() -> None:
    allow, deny = window("0 2 * * *", 4), window("30 1 * * *", 1.5, "deny")
    assert next_permitted([[allow, deny]], at("2026-05-09T00:00")) == at("2026-05-09T03:00")
    assert next_permitted([[allow, deny]], at("2026-05-09T06:00")) == at("2026-05-10T03:00")
    assert next_permitted([[allow, window("0 0 * * *", 24, "deny")]], at("2026-05-09T06:00")) is None
    assert next_permitted([[window("0 0 1 6 *", 720, "deny")]], at("2026-06-09T06:00")) == at(
        "2026-07-01T00:00"
    )


def test_a_zone_of_its_own() -> None:
    paris = window("0 2 * * *", 1, timezone="Europe/Paris")
    assert permitted([[paris]], at("2026-07-01T00:30"))
    assert permitted([[paris]], at("2026-01-01T01:30"))
    assert not permitted([[paris]], at("2026-07-01T02:30"))


@pytest.mark.parametrize(
    ("day", "schedule", "starts"),
    [
        # 02:00 to 03:00 does not exist: the window begins when the clocks have moved.
        (SPRING, "30 2 * * *", [(1, 0)]),
        (SPRING, "30 1 * * *", [(0, 30)]),
        # 02:00 to 03:00 comes twice: the window comes once, the first time.
        (AUTUMN, "30 2 * * *", [(0, 30)]),
        # What comes every hour comes in both.
        (AUTUMN, "45 * * * *", [(hour, 45) for hour in range(24)]),
    ],
)
@pytest.mark.parametrize("minutes", [10, 60, 150])
def test_every_minute_of_a_day_on_which_the_clocks_change(
    day: datetime, schedule: str, starts: list[tuple[int, int]], minutes: int
) -> None:
    paris = window(schedule, minutes / 60, timezone="Europe/Paris")
    begins = [day + timedelta(hours=hour, minutes=minute) for hour, minute in starts]
    for minute in range(22 * 60):
        time = day + timedelta(minutes=minute)
        if schedule.startswith("45") and minute < minutes:
            continue  # a window of the day before may be open still
        expected = any(begin <= time < begin + timedelta(minutes=minutes) for begin in begins)
        assert permitted([[paris]], time) is expected, time


def test_a_window_is_as_long_on_the_day_on_which_the_clocks_change() -> None:
    night = window("0 1 * * *", 4, timezone="Europe/Paris")
    assert permitted([[night]], SPRING + timedelta(hours=3, minutes=59))
    assert not permitted([[night]], SPRING + timedelta(hours=4))


def test_the_windows_of_all_policies_must_permit() -> None:
    fleet, berlin = [window("0 2 * * *", 4)], [window("0 4 * * *", 4)]
    assert permitted([fleet, []], at("2026-05-09T03:00"))
    assert not permitted([fleet, berlin], at("2026-05-09T03:00"))
    assert next_permitted([fleet, berlin], at("2026-05-09T03:00")) == at("2026-05-09T04:00")
