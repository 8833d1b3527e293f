"""When to look again: after an interval, sooner after a failure, and at routers that failed each in its own
time. Pure: times are seconds of a clock that only goes forward."""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST_RETRY = 5.0
LONGEST_RETRY = 600.0


def retry_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, up to ten minutes."""
    return float(min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(failures - 1, 20)))


def spread(interval: float, jitter: float, chance: float) -> float:
    """The interval, moved by up to its share `jitter` either way; `chance` is between 0 and 1."""
    return interval * (1 + jitter * (2 * chance - 1))


@dataclass(slots=True)
class Absence:
    """A router that does not answer."""

    reason: str
    failures: int
    due: float


@dataclass(slots=True)
class Absent:
    """The routers that did not answer. They are left out of runs, so that they delay nobody, and are asked
    beside them, ever more seldom, until one answers. One that answers and is then too slow for a run is asked
    ever more seldom all the same. From any thread: each look is at a copy."""

    routers: dict[str, Absence] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    """Of each router since a run has last seen it."""

    def failed(self, router: str, reason: str, now: float) -> None:
        """It did not answer."""
        failures = self._failures.get(router, 0) + 1
        self._failures[router] = failures
        self.routers[router] = Absence(reason, failures, now + retry_after(failures))

    def answered(self, router: str) -> None:
        """It is back, and may be tried by a run."""
        self.routers.pop(router, None)

    def seen(self, router: str) -> None:
        """A run has seen it, or it is nobody's business any more."""
        self.answered(router)
        self._failures.pop(router, None)

    def due(self, now: float) -> list[str]:
        """Those to ask now."""
        return sorted(name for name, absence in dict(self.routers).items() if absence.due <= now)

    def next_due(self) -> float:
        """When the next one is to be asked."""
        return min((absence.due for absence in dict(self.routers).values()), default=float("inf"))
