"""When to observe again: after an interval, sooner after a failure, and at routers that failed each in its
own time. Times are seconds of a clock that only goes forward, which the caller reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from threading import Lock

FIRST_RETRY = 5.0
LONGEST_RETRY = 600.0


def retry_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, up to ten minutes."""
    return float(min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(failures - 1, 20)))


def spread(interval: float, jitter: float, chance: float) -> float:
    """The interval, moved by up to its share `jitter` either way; `chance` is between 0 and 1."""
    return interval * (1 + jitter * (2 * chance - 1))


@dataclass(frozen=True, slots=True)
class _Absence:
    """A router that does not answer, and when to observe it again."""

    reason: str
    due: float


class Absent:
    """The routers that did not answer. They are left out of runs, so that they delay no other router, and
    are observed beside them, ever more seldom, until one answers. One that answers and is then too slow for a
    run is observed ever more seldom all the same.

    Runs, and threads that observe routers, report them at any time: each method is one step.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._routers: dict[str, _Absence] = {}
        self._observing: set[str] = set()
        self._failures: dict[str, int] = {}
        """Of each router since a run has last seen it."""

    def failed(self, router: str, reason: str, now: float) -> None:
        """It did not answer, be it to a run or between runs."""
        with self._lock:
            self._failed(router, reason, now)

    def missed(self, router: str, reason: str, now: float) -> None:
        """A run has waited for it in vain: as `failed`, unless that is known."""
        with self._lock:
            if router not in self._routers:
                self._failed(router, reason, now)

    def answered(self, router: str) -> None:
        """It is back, and may be tried by a run."""
        with self._lock:
            self._answered(router)

    def seen(self, router: str) -> None:
        """A run has seen it."""
        with self._lock:
            self._seen(router)

    def keep(self, routers: Collection[str]) -> None:
        """Forget all others."""
        with self._lock:
            for gone in self._routers.keys() - set(routers):
                self._seen(gone)

    def reason(self, router: str) -> str | None:
        """Why it is left out; None for one that is not absent."""
        with self._lock:
            known = self._routers.get(router)
            return None if known is None else known.reason

    def take_due(self, now: float) -> list[str]:
        """Those to observe now. Each counts as being observed until it has failed or answered."""
        with self._lock:
            due = sorted(name for name, absence in self._idle() if absence.due <= now)
            self._observing.update(due)
            return due

    def next_due(self) -> float:
        """When the next one is to be observed, of those that are not being observed."""
        with self._lock:
            return min((absence.due for _, absence in self._idle()), default=float("inf"))

    def _idle(self) -> Iterator[tuple[str, _Absence]]:
        return (item for item in self._routers.items() if item[0] not in self._observing)

    def _failed(self, router: str, reason: str, now: float) -> None:
        failures = self._failures.get(router, 0) + 1
        self._failures[router] = failures
        self._routers[router] = _Absence(reason, now + retry_after(failures))
        self._observing.discard(router)

    def _answered(self, router: str) -> None:
        self._routers.pop(router, None)
        self._observing.discard(router)

    def _seen(self, router: str) -> None:
        self._answered(router)
        self._failures.pop(router, None)
