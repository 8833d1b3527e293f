"""How long one answer of a router may take, and how large it may become: one mechanism for VICI, for
commands over Docker, for commands over SSH, and for connecting.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from time import monotonic
from types import TracebackType
from typing import Self

from reconciler.model import bounds
from reconciler.model.errors import AnswerNotUnderstood, RouterUnreachable
from reconciler.model.listing import counted
from reconciler.routers.quota import Quota, Quotas


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` for an answer without data, `size` in bytes. `own` seconds of these are what the
    command itself may take."""

    seconds: float
    size: int
    own: float = 0.0


class Allowance:
    """What is left of the limits of one answer. Whatever moves buys time, at a rate that a slow line reaches
    and one that only pretends to answer does not; ROUTER_LONGEST_SECONDS end all of them, and so does the
    end of a quota for all answers. As a context it ends with the answer: its time is taken from the quotas.
    """

    def __init__(
        self, limits: Limits, router: str, operation: str, source: str = "", quotas: Quotas = ()
    ) -> None:
        self._limits = limits
        self.router = router
        self.operation = operation
        self._source = source or operation
        self._quotas = quotas
        self._began = monotonic()
        self._moved = 0
        self._came = 0

    def __enter__(self) -> Self:
        """Raises RouterUnreachable when a quota is used up already: nothing is asked any more."""
        self.left()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        waited = max(0.0, monotonic() - self._began - self._limits.own)
        for quota in self._quotas:
            quota.spend(waited)

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
        """So much time was not the router's: the caller was busy with what had come."""
        self._began += seconds

    def left(self) -> float:
        """Seconds, more than none. Raises RouterUnreachable when there are none."""
        waited = monotonic() - self._began
        left = min(self._seconds() - waited, *(self._of(quota, waited) for quota in self._quotas), inf)
        if left <= 0:
            raise self.late()
        return left

    def late(self) -> RouterUnreachable:
        """The error of an answer that takes too long: by itself, or with all that came before it."""
        waited = monotonic() - self._began
        came = f"{counted(self._came, 'byte')} came" if self._came else "nothing came"
        first = min(self._quotas, key=lambda quota: self._of(quota, waited), default=None)
        if first is None or self._of(first, waited) > self._seconds() - waited:
            late = f"no complete answer to {self.operation} within {self._seconds():.3g} s ({came})"
        else:
            late = (
                f"all its answers together take longer than {first.seconds:.4g} s, the limit for "
                f"{first.what}; the last one is to {self.operation} ({came})"
            )
        return RouterUnreachable(
            late,
            router=self.router,
            operation=self.operation,
            hint="the router counts as unreachable; the work on the others continues",
        )

    def refused(self, what: str) -> AnswerNotUnderstood:
        """The error of an answer that is not of the shape that it should have."""
        return AnswerNotUnderstood(what, where=self._source, router=self.router, operation=self.operation)

    def _of(self, quota: Quota, waited: float) -> float:
        """Seconds that this answer may still take of a quota; none of one that is used up."""
        left = quota.left()
        return left if left <= 0 else left + self._limits.own - waited

    def _seconds(self) -> float:
        earned = self._moved / bounds.ROUTER_BYTES_PER_SECOND
        longest = max(bounds.ROUTER_LONGEST_SECONDS, self._limits.seconds)
        return min(self._limits.seconds + earned, longest)


def _size(count: int) -> str:
    for unit, name in ((bounds.MIB, "MiB"), (bounds.KIB, "KiB")):
        if count >= unit:
            return f"{count / unit:g} {name}"
    return f"{counted(count, 'byte')}"
