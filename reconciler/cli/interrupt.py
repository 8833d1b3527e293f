"""Ctrl-C while routers are changed: once to stop where no tunnel is half changed, twice to stop at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from reconciler.cli.output import say

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Whether the command was asked to stop. Before the change begins, it stops at once."""

    def __init__(self) -> None:
        self._begun = False
        self.requested = False

    def begin(self) -> None:
        """From now on routers are changed."""
        self._begun = True

    def stopping(self) -> bool:
        """Whether to stop as soon as no tunnel is half changed."""
        return self.requested

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM over. Only the main thread of a process can; elsewhere nothing is taken."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        """Note the first signal, and give way to the second one. Raises KeyboardInterrupt."""
        if self.requested or not self._begun:
            raise KeyboardInterrupt
        self.requested = True
        # The signal may have come in the middle of a write to the same stream, which cannot be entered twice.
        with suppress(RuntimeError):
            say("stopping as soon as no tunnel is half changed (Ctrl-C again stops at once)")
