"""The limits for every apply: how much at once, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reconciler.model.labels import LabelSelector


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which tunnels may, or may not, be interrupted. It begins as `schedule` (crontab(5), five
    fields) says in `timezone` (IANA) and lasts `duration` seconds."""

    kind: Literal["allow", "deny"]
    schedule: str
    duration: int
    timezone: str


@dataclass(frozen=True, slots=True)
class SafetyPolicy:
    """The defaults hold where no document says otherwise."""

    max_deleted_share: int = 30
    """Percent of the tunnel ends there are."""
    deletions_minimum: int = 10
    """The share counts where there are at least so many tunnel ends."""
    max_interrupted: int | None = None
    """Tunnels in one apply."""
    windows: tuple[Window, ...] = ()
    name: str = ""
    selector: LabelSelector = field(default_factory=LabelSelector)
    """The tunnels that budget and windows concern, by the labels of either end."""
