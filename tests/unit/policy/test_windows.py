"""Windows over days that have 23 and 25 hours, and what is denied whatever is allowed."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from reconciler.model.fabric import Window
from reconciler.policy.windows import closed

NIGHT = Window(allow=True, schedule="0 2 * * 6", minutes=240, timezone="Europe/Berlin")
HOLIDAYS = Window(allow=False, schedule="0 0 24 12 *", minutes=3 * 24 * 60, timezone="Europe/Berlin")
EARLY = Window(allow=True, schedule="30 2 * * *", minutes=60, timezone="Europe/Berlin")


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("windows", "now", "why"),
    [
        ((), at("2026-11-23T12:00"), ""),
        ((NIGHT,), at("2026-11-28T01:00"), ""),
        ((NIGHT,), at("2026-11-28T00:59:59"), "the next one opens at 2026-11-28 02:00 CET"),
        ((NIGHT,), at("2026-11-28T04:59:59"), ""),
        ((NIGHT,), at("2026-11-28T05:00"), "the next one opens at 2026-12-05 02:00 CET"),
        ((NIGHT, HOLIDAYS), at("2026-12-26T02:00"), "denied by '0 0 24 12 *' (Europe/Berlin)"),
        ((HOLIDAYS,), at("2026-12-23T22:59:59"), ""),
        ((HOLIDAYS,), at("2026-12-23T23:00"), "denied by"),
        ((HOLIDAYS,), at("2026-12-26T23:00"), ""),
        # The hour from two to three is left out on 2027-03-28, and comes twice on 2026-10-25.
        ((EARLY,), at("2027-03-28T03:15", "Europe/Berlin"), ""),
        ((EARLY,), at("2027-03-28T04:30", "Europe/Berlin"), "outside"),
        ((EARLY,), at("2026-10-25T00:29"), "outside"),
        ((EARLY,), at("2026-10-25T00:30"), ""),
        ((EARLY,), at("2026-10-25T01:29"), ""),
    ],
)
def test_open_or_closed(windows: tuple[Window, ...], now: datetime, why: str) -> None:
    found = closed(windows, now)
    assert (why in found) if why else (found == "")
