"""Maintenance windows: open or closed, by crontab(5) schedules in their timezones. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from reconciler.model.fabric import Window


def closed(windows: Iterable[Window], now: datetime) -> str:
    """Why steps that interrupt may not run now; empty when they may. What is denied stays so, whatever is
    allowed. `now` knows its timezone. A window is as long as ever on a day that has an hour more or less."""
    found = list(windows)
    # In UTC, where taking minutes off is taking time off.
    now = now.astimezone(UTC)
    denied = next((window for window in found if not window.allow and _covers(window, now)), None)
    if denied is not None:
        return f"denied by {denied.schedule!r} ({denied.timezone})"
    allowing = [window for window in found if window.allow]
    if not allowing or any(_covers(window, now) for window in allowing):
        return ""
    opens = min(_next(window, now) for window in allowing)
    return f"outside the maintenance windows; the next one opens at {opens:%Y-%m-%d %H:%M %Z}"


def _covers(window: Window, now: datetime) -> bool:
    # Forward from where the earliest start could be: only so an hour that comes twice counts once.
    return _next(window, now - timedelta(minutes=window.minutes)).timestamp() <= now.timestamp()


def _next(window: Window, now: datetime) -> datetime:
    return next(CronSim(window.schedule, now.astimezone(ZoneInfo(window.timezone))))
