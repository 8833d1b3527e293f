"""That there is something new, from any thread to every browser that waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Changes:
    """Counts what has happened. Browsers are notified that something has, not of each thing."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._number = 0
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def number(self) -> int:
        """How many there were."""
        return self._number

    def changed(self) -> None:
        """There is something new; from any thread."""
        with self._changing:
            self._number += 1
            waiting = tuple(self._waiting)
        for loop, event in waiting:
            # The loop may have ended since.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set at each change, until it is cleared."""
        mine = (asyncio.get_running_loop(), asyncio.Event())
        with self._changing:
            self._waiting.add(mine)
        try:
            yield mine[1]
        finally:
            with self._changing:
                self._waiting.discard(mine)
