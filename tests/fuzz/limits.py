"""What one input may cost: processor time, so that a busy machine is no finding, and memory."""

from __future__ import annotations

import gc
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SECONDS = 2.0
"""Of the processor's time, for one input."""
BYTES = 200 * 2**20
"""On top of what the process has before."""


class TooSlow(BaseException):
    """No handler of errors in the code under test may swallow it."""


def _too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlow(f"more than {SECONDS} s of processor time")


@contextmanager
def bounded(seconds: float = SECONDS) -> Iterator[None]:
    """Raises TooSlow, or MemoryError inside the code under test, when one of the limits is exceeded."""
    gc.collect(0)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGPROF, _too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, before[1]))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGPROF, handler)
