"""Maintenance windows: whether tunnels may be interrupted at a time, and when they next may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TypeAlias
from zoneinfo import ZoneInfo

from cronsim import CronSim

from reconciler.model.bounds import WINDOW_STEPS
from reconciler.model.safety import Window

Windows: TypeAlias = Sequence[Sequence[Window]]
"""The windows of each of some policies, which must all permit."""


def permitted(windows: Windows, at: datetime) -> bool:
    """True when of no policy a window denies, and of each one allows or none is there to allow. `at` has a
    time zone."""
    return all(_permits(of_policy, at) for of_policy in windows)


def _permits(windows: Sequence[Window], at: datetime) -> bool:
    if any(window.kind == "deny" and _begun(window, at) is not None for window in windows):
        return False
    allowing = [window for window in windows if window.kind == "allow"]
    return not allowing or any(_begun(window, at) is not None for window in allowing)


def next_permitted(windows: Windows, after: datetime) -> datetime | None:
    """The next time in UTC at which `permitted` holds; None when none is in sight."""
    at = after.astimezone(UTC)
    every = list(chain.from_iterable(windows))
    for _ in range(WINDOW_STEPS):
        if permitted(windows, at):
            return at
        turns = list(_turns(every, at))
        if not turns:
            return None
        at = min(turns)
    return None


def _turns(windows: Sequence[Window], at: datetime) -> Iterator[datetime]:
    """When a window that denies ends, or one that allows begins, after a time."""
    for window in windows:
        begun = _begun(window, at)
        if window.kind == "allow":
            begins = _next(window, at)
            if begins is not None:
                yield begins
        elif begun is not None:
            yield begun + timedelta(seconds=window.duration)


def _begun(window: Window, at: datetime) -> datetime | None:
    """When the window that is open at a time began; of several the first."""
    begins = _next(window, at.astimezone(UTC) - timedelta(seconds=window.duration))
    return begins if begins is not None and begins <= at else None


def _next(window: Window, after: datetime) -> datetime | None:
    """The next beginning in UTC. Durations are counted in UTC, so they are as long on the day on which the
    clocks change; a beginning that the clocks skip is taken when they have, as cron(8) does."""
    for local in CronSim(window.schedule, after.astimezone(ZoneInfo(window.timezone))):
        begins = local.astimezone(UTC)
        # From within the hour that comes twice cronsim finds the first time, which has been.
        if begins > after:
            return begins
    return None
