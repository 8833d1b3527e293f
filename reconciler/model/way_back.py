"""A router's way back: what it has saved before a change, and the timer that restores it unless the change is
confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Arming:
    """Why, and for how long, routers are armed. The same at all routers of one apply."""

    id: str
    """Of this apply alone: 16 hexadecimal digits by chance."""
    owner: str
    """Who applies: `user@host`."""
    digest: str
    """Of the desired state that is applied (`Loaded.digest`)."""
    commit: str
    """Its commit; empty for a working tree."""
    seconds: int
    """Until the router goes back."""

    @property
    def what(self) -> str:
        """What is applied, for people."""
        return f"commit {self.commit[:12]}" if self.commit else "a working tree"


@dataclass(frozen=True, slots=True)
class Saved:
    """What an apply may change at one router beside what is tunnelwright's by its name."""

    connections: tuple[str, ...] = ()
    """Connections whose SAs made from now on are of the new configuration."""
    sysctls: tuple[str, ...] = ()
    """Keys below /proc/sys."""
    aside: tuple[str, ...] = ()
    """Files that are renamed."""


@dataclass(frozen=True, slots=True)
class Armed:
    """A router that goes back in `left` seconds unless it is confirmed; 0 where it should have."""

    router: str
    arming: Arming
    left: int


class Blame(StrEnum):
    """Whether a commit is to blame when routers go back from an arming of it."""

    OPEN = "open"
    """Its run has not ended: it goes on, or its controller was ended."""
    UNSURE = "unsure"
    """It is, if one has gone back: the run could not find out whether they were confirmed."""
    NONE = "none"
    """It is not: the arming is over, or its run has judged the commit itself."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the history has of one arming."""

    digest: str
    commit: str
    blame: Blame
    open: int
    """Armings of the same desired state that are open, whose runs were ended before they could judge."""


class Cause(StrEnum):
    """Why a router has gone back."""

    DEADLINE = "deadline"
    """It was not confirmed in time."""
    UNPROVEN = "unproven"
    """The controller has let it, since the change did not prove good."""
    RESTART = "restart"
    """It had restarted while it was armed."""
    OVERDUE = "overdue"
    """Its timer had gone without it, and the next run has found that."""


@dataclass(frozen=True, slots=True)
class WentBack:
    """A router that has gone back, and that no run has reported yet."""

    router: str
    arming: Arming
    cause: Cause
    at: datetime
    """By the router's clock, in UTC."""
    problems: tuple[str, ...] = ()
    """What could not be restored, and why."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """What a router says of its way back."""

    armed: Armed | None = None
    back: WentBack | None = None

    @property
    def reported(self) -> tuple[Armed | WentBack, ...]:
        """What there is to report of it; nothing for most routers."""
        return tuple(item for item in (self.armed, self.back) if item is not None)
