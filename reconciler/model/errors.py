"""Errors that an edit in Git cannot fix: one small tree of exceptions, each with an exit code."""

from __future__ import annotations

import copyreg
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """What the command's exit status says; documented in docs/reference/exit-codes.md."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    """Only with `--detailed-exitcode`: the plan holds changes."""
    STALE = 3
    LOCKED = 4
    UNSAFE = 5
    INVALID = 6
    """The desired state has errors that its author can fix."""
    UNREACHABLE = 7
    INCOMPLETE = 8
    """An apply or a verification did not reach the desired state, or a diagnosis found something; the report
    says where."""
    DEFERRED = 9
    """All that may be done now was done and proven; the rest waits for a window or for the budget."""
    INTERRUPTED = 130
    """Stopped by SIGINT or SIGTERM."""


class TunnelwrightError(Exception):
    """Base of all errors outside the desired state. `str()` is the sentence for the user."""

    exit_code = ExitCode.ERROR
    retryable = False
    """Whether the same may go well soon without any change. Code that tries again because of an error reads
    this: a request to a forge, a router that is left out of runs, the history's file, a kept
    connection. Runs and notifications are tried again whatever the error was, ever more seldom: a person may
    remove its cause at any time, and nothing but a try shows that."""

    def __init__(self, message: str, *, router: str = "", operation: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.router = router
        self.operation = operation
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, whatever its constructor asks for: an error is what a task at a router may come to."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]  # no stub


class RouterUnreachable(TunnelwrightError):
    """The router did not answer, or its VICI socket is not there."""

    exit_code = ExitCode.UNREACHABLE
    retryable = True


class CommandRejected(TunnelwrightError):
    """The router answered and refused."""


class AnswerNotUnderstood(TunnelwrightError):
    """A router's answer is not of the shape that its tools give, or exceeds a bound. `what` says what is
    wrong with it, `where` which part of which answer it was.
    """

    exit_code = ExitCode.UNREACHABLE

    def __init__(
        self, what: str, *, where: str, router: str = "", operation: str = "", hint: str = ""
    ) -> None:
        message = f"its answer was not understood: {where}: {what}"
        super().__init__(message, router=router, operation=operation, hint=hint)


class Unforeseen(TunnelwrightError):
    """An unforeseen error, caught at the unit of work (`reconciler/model/isolation.py`). It need not
    last."""

    retryable = True


class SecretUnavailable(TunnelwrightError):
    """A referenced key could not be read, or is readable by others."""


class KeysDiffer(TunnelwrightError):
    """Two ends of one tunnel refer to keys that are not equal."""

    exit_code = ExitCode.INVALID


class WeakKey(TunnelwrightError):
    """A key that would be loaded could be guessed."""

    exit_code = ExitCode.INVALID


class SourceUnavailable(TunnelwrightError):
    """The repository, the revision or the folder is not there."""


class SourceBroken(SourceUnavailable):
    """Git ended with an error of its own: the remote, the repository here or the machine may be at fault."""


class PlanUnsafe(TunnelwrightError):
    """A limit refuses the plan; nothing of it was done."""

    exit_code = ExitCode.UNSAFE


class PlanStale(TunnelwrightError):
    """The saved plan no longer describes what would be done now."""

    exit_code = ExitCode.STALE


class Locked(TunnelwrightError):
    """Another run, `owner`, is changing this router."""

    exit_code = ExitCode.LOCKED

    def __init__(self, owner: str, *, router: str = "", hint: str = "", message: str = "") -> None:
        message = message or f"{owner.partition('/')[0]} is changing this router"
        super().__init__(message, router=router, operation="lock", hint=hint)
        self.owner = owner


class StillArmed(Locked):
    """A router holds a change that `owner` has not confirmed, and goes back in `left` seconds."""

    def __init__(self, owner: str, left: int, *, router: str = "") -> None:
        who = owner.partition("/")[0]
        hint = f"it goes back in {left} s; use --lock-timeout to wait" if left else "it goes back now"
        super().__init__(owner, router=router, hint=hint, message=f"a change by {who} is not confirmed yet")
        self.left = left


class RouterWithheld(TunnelwrightError):
    """A router holds more of what nothing shows to be Git's than may be destroyed there; nothing is done."""

    exit_code = ExitCode.UNREACHABLE


class LockUnavailable(TunnelwrightError):
    """A router's lock can be neither taken nor waited for: it has no flock(1), or its lock file makes no
    sense."""

    exit_code = ExitCode.UNREACHABLE
