"""The garbage collector of this process. When it runs is decided here alone."""

from __future__ import annotations

import gc
from typing import TypeVar

_Value = TypeVar("_Value")
_kept: list[object] = []


def pause() -> None:
    """Let it not look by itself any more: one command lives for seconds and keeps nearly all that it makes,
    and looking through tens of thousands of documents again and again costs more than half of its time."""
    gc.disable()


def sweep() -> None:
    """Let it look once. A service, which lives on, does so between its runs."""
    gc.collect()


def keep(value: _Value) -> _Value:
    """Let a value of a command live until the process ends: to free a fleet's documents one by one takes as
    long as to validate them, and the memory goes back as a whole (`streams.program`)."""
    _kept.append(value)
    return value
