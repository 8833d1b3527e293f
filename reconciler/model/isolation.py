"""The boundary of a unit of work: a failure inside it affects only that unit.

A unit is what can fail by itself: one router, commit, message, look-up. A foreseen error is its result. An
unforeseen one is logged with its traceback, keys redacted, counted by the kind of unit, and is its
result too.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from reconciler.model.errors import TunnelwrightError, Unforeseen
from reconciler.model.secret import redacted

Result = TypeVar("Result")

_log = logging.getLogger("tunnelwright.unforeseen")
_counting = Lock()
_unforeseen: Counter[str] = Counter()


def attempt(kind: str, name: str, work: Callable[[], Result]) -> Result | TunnelwrightError:
    """What `work` returns, or the error that ended it. `kind` is a word for metrics (`router`, `forge`),
    `name` says which one. Only what ends the process (KeyboardInterrupt, SystemExit) is raised.
    """
    try:
        return work()
    except TunnelwrightError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the one place that may: nothing foreseen is left
        return foreign(kind, name, error)


def foreign(kind: str, name: str, error: Exception) -> Unforeseen:
    """Log and count an unforeseen error; returns the error to continue with."""
    with _counting:
        _unforeseen[kind] += 1
    text = redacted("".join(traceback.format_exception(error)))
    _log.error("unforeseen error in %s (%s)\n%s", kind, name, text)
    return Unforeseen(
        f"an unforeseen error: {type(error).__name__}: {redacted(str(error))[:200]}",
        router=name if kind == "router" else "",
        hint="the log has the traceback; please report it",
    )


def unforeseen() -> dict[str, int]:
    """How many unforeseen errors each kind of unit has met in this process."""
    with _counting:
        return dict(_unforeseen)
