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
    beside them, ever more seldom, until one answers. From any thread: each look is at a copy."""

    routers: dict[str, Absence] = field(default_factory=dict)

    def failed(self, router: str, reason: str, now: float) -> None:
        """It did not answer."""
        known = self.routers.get(router)
        failures = 1 if known is None else known.failures + 1
        self.routers[router] = Absence(reason, failures, now + retry_after(failures))

    def answered(self, router: str) -> None:
        """It is back."""
        self.routers.pop(router, None)

    def due(self, now: float) -> list[str]:
        """Those to ask now."""
        return sorted(name for name, absence in dict(self.routers).items() if absence.due <= now)

    def next_due(self) -> float:
        """When the next one is to be asked."""
        return min((absence.due for absence in dict(self.routers).values()), default=float("inf"))
