"""The garbage collector of this process. When it runs is decided here alone."""

from __future__ import annotations

import gc


def pause() -> None:
    """Let it not look by itself any more: one command lives for seconds and keeps nearly all that it makes,
    and looking through tens of thousands of documents again and again costs more than half of its time."""
    gc.disable()


def sweep() -> None:
    """Let it look once. A service, which lives on, does so between its runs."""
    gc.collect()
