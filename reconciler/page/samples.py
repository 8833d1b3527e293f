"""What connections have carried lately: a sample of each at every observation, in memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from reconciler.model import bounds
from reconciler.model.condition import ConnectionCondition


@dataclass(frozen=True, slots=True)
class Sample:
    """A connection at one time. `sent` and `received` are bytes that its first end has counted since its
    CHILD_SAs were installed, `rtt` is in seconds."""

    at: datetime
    sent: int
    received: int
    loss: float | None = None
    rtt: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One figure over time, oldest first: seconds before the last sample, and the value; None where it is not
    known."""

    points: tuple[tuple[float, float | None], ...]

    @property
    def known(self) -> tuple[float, ...]:
        """The values there are."""
        return tuple(value for _, value in self.points if value is not None)


class Samples:
    """The latest samples of each connection of a fabric."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._kept: dict[str, deque[Sample]] = {}

    def take(self, at: datetime, found: Iterable[ConnectionCondition]) -> None:
        """Add a sample of each connection, and forget those that are not among them."""
        taken = {one.name: _sample(at, one) for one in [*found][: bounds.PAGE_SAMPLED]}
        with self._changing:
            for name in self._kept.keys() - taken.keys():
                del self._kept[name]
            for name, sample in taken.items():
                self._kept.setdefault(name, deque(maxlen=bounds.PAGE_SAMPLES)).append(sample)

    def of(self, name: str) -> tuple[Sample, ...]:
        """Those of one connection, oldest first."""
        with self._changing:
            return tuple(self._kept.get(name, ()))


def _sample(at: datetime, one: ConnectionCondition) -> Sample:
    children, known = one.ends[0].children, one.carriage
    return Sample(
        at,
        sum(child.bytes_out for child in children),
        sum(child.bytes_in for child in children),
        None if known is None else known.loss,
        None if known is None else known.rtt,
    )


def figures(samples: tuple[Sample, ...], of: Callable[[Sample], float | None]) -> Series:
    """What was measured at each sample."""
    return Series(tuple((_before(samples, one), of(one)) for one in samples))


def rates(samples: tuple[Sample, ...], of: Callable[[Sample], int]) -> Series:
    """Bytes a second between each sample and the one before it. A counter that is less than before has begun
    anew with another SA."""
    found = []
    for before, now in pairwise(samples):
        seconds = (now.at - before.at).total_seconds()
        more = of(now) - of(before) if of(now) >= of(before) else of(now)
        found.append((_before(samples, now), more / seconds if seconds > 0 else None))
    return Series(tuple(found))


def _before(samples: tuple[Sample, ...], one: Sample) -> float:
    return (samples[-1].at - one.at).total_seconds()
