"""The parts of the service that commands use: its settings, its history, its clone of the repository."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from reconciler.cli.output import Output
from reconciler.doors.files import turn_of
from reconciler.history.store import History
from reconciler.load.git import Watch
from reconciler.model.diagnostic import Diagnostics, reported
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object
from reconciler.service.repository import FollowedRepository
from reconciler.service.settings import Effective, read_settings
from schemas.settings import ReconcileSettings

HISTORY = "history.db"
"""The history's file in the folder of the service."""

CLONE = "repository.git"
"""The clone in the folder of the service."""


class InvalidSettings(TunnelwrightError):
    """The reconciler's own settings have errors; they have been printed."""

    exit_code = ExitCode.INVALID


def service_settings(path: Path | None, output: Output) -> Effective:
    """The reconciler's own settings, printing every finding.

    Raises SourceUnavailable, and InvalidSettings when there are errors.
    """
    found = Diagnostics()
    settings = read_settings(path, os.environ, found)
    shown = reported(found)
    output.lines(diagnostic_lines(shown), sys.stderr)
    output.objects(diagnostic_object(item) for item in shown)
    if settings is None:
        raise InvalidSettings("the settings are invalid; nothing was done")
    return settings


class _Unlockable(TunnelwrightError):
    """The machine cannot lock a file."""


class AlreadyFollowed(TunnelwrightError):
    """Another reconciler uses the same state."""

    exit_code = ExitCode.LOCKED


@contextmanager
def only_reconciler(state: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Be the only reconciler with this state: of two, each would take the other one's armings and probes for
    its own, and send its notifications again. The kernel gives the lock back when the process ends, in
    whichever way. Where it cannot be taken at all, for want of space for example, the service goes on, as it
    does without its history's file.

    Raises AlreadyFollowed.
    """
    busy = "another `tunnelwright reconcile` runs"

    def refused(why: str) -> TunnelwrightError:
        hint = "stop it, or give this one another `state`"
        return (
            AlreadyFollowed(f"{why} with the state {state}", hint=hint) if why == busy else _Unlockable(why)
        )

    with ExitStack() as held:
        try:
            held.enter_context(turn_of(state / "reconcile", 0, refused, busy=busy))
        except _Unlockable as error:
            warn(f"{state} cannot be locked against other reconcilers: {error.message}")
        yield


def open_history(config: Path | None, output: Output) -> History:
    """The history of the reconciler with these settings.

    Raises SourceUnavailable, InvalidSettings, and TunnelwrightError when it cannot be used.
    """
    return History(Path(service_settings(config, output).values.state).expanduser() / HISTORY)


def followed_repository(settings: ReconcileSettings, progress: Callable[[str], None]) -> FollowedRepository:
    """The reconciler's clone of its repository; `progress` is notified of transfers that take longer."""
    folder = Path(settings.state).expanduser() / CLONE
    watch = Watch(progress=progress)
    return FollowedRepository(folder, settings.repository, settings.branch, settings.folder, watch)
