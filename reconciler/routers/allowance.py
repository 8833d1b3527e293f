"""How long one answer of a router may take, and how large it may become: one mechanism for VICI, for
commands over Docker, and for commands over SSH.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from reconciler.model import bounds
from reconciler.model.errors import AnswerNotUnderstood, RouterUnreachable


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` for an answer of which nothing comes, `size` in bytes."""

    seconds: float
    size: int


class Allowance:
    """What is left of the limits of one answer. Whatever moves buys time, at a rate that a slow line reaches
    and one that only pretends to answer does not; ROUTER_LONGEST_SECONDS end all of them.
    """

    def __init__(self, limits: Limits, router: str, operation: str, source: str = "") -> None:
        self._limits = limits
        self.router = router
        self.operation = operation
        self._source = source or operation
        self._began = time.monotonic()
        self._moved = 0
        self._came = 0

    def took(self, count: int) -> None:
        """So many bytes have come. Raises AnswerNotUnderstood when they are too many."""
        self._came += count
        self._moved += count
        if self._came > self._limits.size:
            raise self.refused(f"more than {_size(self._limits.size)}")

    def sent(self, count: int) -> None:
        """So many bytes have gone."""
        self._moved += count

    def forgive(self, seconds: float) -> None:
        """So much time was not the router's: whoever asked was busy with what had come."""
        self._began += seconds

    def left(self) -> float:
        """Seconds, more than none. Raises RouterUnreachable when there are none."""
        left = self._began + self._seconds() - time.monotonic()
        if left <= 0:
            raise self.late()
        return left

    def late(self) -> RouterUnreachable:
        """The error of an answer that takes too long."""
        came = f"{self._came} bytes came" if self._came else "nothing came"
        return RouterUnreachable(
            f"no whole answer to {self.operation} within {self._seconds():.3g} s ({came})",
            router=self.router,
            operation=self.operation,
            hint="it is given up as one that does not answer; the other routers go on",
        )

    def refused(self, what: str) -> AnswerNotUnderstood:
        """The error of an answer that is not of the shape that it should have."""
        return AnswerNotUnderstood(what, where=self._source, router=self.router, operation=self.operation)

    def _seconds(self) -> float:
        earned = self._moved / bounds.ROUTER_BYTES_PER_SECOND
        longest = max(bounds.ROUTER_LONGEST_SECONDS, self._limits.seconds)
        return min(self._limits.seconds + earned, longest)


def _size(count: int) -> str:
    for unit, name in ((bounds.MIB, "MiB"), (bounds.KIB, "KiB")):
        if count >= unit:
            return f"{count / unit:g} {name}"
    return f"{count} bytes"
