"""The repository as the reconciler has it: a clone that is replaced when damaged, and the last good commit,
which outlives it."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from reconciler.doors.files import replace_whole, turn_of
from reconciler.doors.processes import never
from reconciler.load import Loaded
from reconciler.load.git import Watch
from reconciler.model.bounds import COPIES_SET_ASIDE, FETCH_TURN
from reconciler.model.errors import SourceBroken, SourceUnavailable
from reconciler.service.clone import Clone, FetchStopped, Followed, Stopping

Answer = TypeVar("Answer")

_log = logging.getLogger("tunnelwright.repository")
_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class FollowedRepository:
    """The clone in its folder, and beside it what must outlive it: which commit was the last good one, and
    whose turn it is to fetch.

    The remote has all that the clone has. So when something fails that the clone could be to blame for, a new
    one is made and tried: it takes the place of one that still fails where it does not. Whatever is damaged
    is found by that, and nothing is replaced because a remote or the machine fails.
    """

    def __init__(
        self, folder: Path, remote: str, branch: str, subdir: str, watch: Watch | None = None
    ) -> None:
        self._folder = folder
        self._new = folder.with_suffix(".new")
        self._good = folder.with_suffix(".good")
        self._followed = Followed(remote, branch, subdir, Watch() if watch is None else watch)
        self._clone = Clone(folder, self._followed, self._turn)
        self._said: list[str] = []

    def fetch(self, stopping: Stopping = never) -> str:
        """Bring the branch here; the id of its commit.

        Raises SourceUnavailable when the remote does not answer, or has no such branch; FetchStopped once
        `stopping` says so.
        """
        self._remove_unfinished(stopping)
        return self._repaired(lambda clone: clone.fetch(stopping), stopping)

    def peek(self) -> str:
        """As `fetch`, but what was fetched last stays `head`: a service that runs beside does not notice."""
        self._remove_unfinished(never)
        return self._repaired(lambda clone: clone.peek(), never)

    def head(self) -> str:
        """The commit that the last fetch has brought; empty before the first."""
        return self._clone.head()

    def keep(self, commit: str) -> None:
        """Remember the last good commit, and see that it stays here when the branch is rewritten without it.

        Raises SourceUnavailable.
        """
        try:
            if self._remembered() != commit:
                replace_whole(self._good, f"{commit}\n".encode())
        except OSError as error:
            raise SourceUnavailable(f"cannot write {self._good}: {error.strerror}") from error
        self._repaired(lambda clone: clone.keep(commit), never)

    def kept(self) -> str:
        """The commit that was kept last, be it here or not; empty for none.

        Raises SourceUnavailable when there was one, and nothing shows any more which.
        """
        found = self._remembered() or self._clone.kept()
        if not found and self._good.exists():
            raise SourceUnavailable(
                f"{self._good} no longer contains the last good commit",
                hint="remove it to start again with the head of the branch",
            )
        return found

    def find(self, rev: str) -> str:
        """The full id of a commit that is here. Raises SourceUnavailable."""
        return self._clone.find(rev)

    def load(self, commit: str, stopping: Stopping = never) -> Loaded:
        """The documents of a commit.

        Raises SourceUnavailable when it is neither here nor at the remote, or has no such folder.
        """
        return self._repaired(lambda clone: clone.load(commit, stopping), stopping)

    def descends(self, commit: str, from_: str, stopping: Stopping = never) -> bool:
        """Whether a commit is another one, or has it among its ancestors. False also when that is not here.

        Raises SourceUnavailable when history has to be fetched to know, and cannot be.
        """
        return self._repaired(lambda clone: clone.descends(commit, from_, stopping), stopping)

    def between(self, old: str, new: str, most: int, stopping: Stopping = never) -> list[str]:
        """The commits that `new` has among its ancestors and `old` has not, by whichever parent: `new`
        itself first, and no more than `most` of them.

        Raises SourceUnavailable when history has to be fetched to know, and cannot be; and when it is cut
        between the two, so that what lies behind the cut would be passed over.
        """
        return self._repaired(lambda clone: clone.between(old, new, most, stopping), stopping)

    def raw(self, commit: str, stopping: Stopping = never) -> bytes:
        """A commit as it is signed: headers, signature, message. Raises SourceUnavailable."""
        return self._repaired(lambda clone: clone.raw(commit, stopping), stopping)

    def complaints(self) -> list[str]:
        """What was done to the clone since this was asked last."""
        said, self._said = self._said, []
        return said

    def _remembered(self) -> str:
        with suppress(OSError):
            text = self._good.read_bytes()[:100].decode("ascii", "replace").strip()
            return text if _ID.fullmatch(text) else ""
        return ""

    def _remove_unfinished(self, stopping: Stopping) -> None:
        """A process that was killed while it made a new clone has left that here, as large as the repository
        may be. Nothing else would look for it until the clone is damaged again."""
        if os.path.lexists(self._new):
            with self._turn(stopping):
                _remove(self._new)

    def _repaired(self, work: Callable[[Clone], Answer], stopping: Stopping) -> Answer:
        try:
            return work(self._clone)
        except SourceBroken:
            here, fresh = (Clone(folder, self._followed) for folder in (self._folder, self._new))
            with self._turn(stopping):
                try:
                    _remove(fresh.folder)
                    if not _does(fresh, work, stopping):
                        raise
                    try:
                        # A remote may have been away for a moment.
                        return work(here)
                    except SourceBroken as error:
                        self._replace(error)
                    return work(here)
                finally:
                    _remove(fresh.folder)

    def _replace(self, error: SourceBroken) -> None:
        """Set the clone aside, if there is one, and the new one in its place; of those set aside only the
        latest stay."""
        stem, suffix = self._folder.stem, self._folder.suffix
        aside = self._folder.with_name(f"{stem}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}{suffix}")
        there = os.path.lexists(self._folder)
        try:
            if there:
                self._folder.rename(aside)
            self._new.rename(self._folder)
        except OSError as failed:
            raise SourceUnavailable(f"cannot set {self._folder} aside: {failed.strerror}") from error
        if not there:
            _log.warning("%s: the repository was cloned again", error.message)
            return
        for old in sorted(self._folder.parent.glob(f"{stem}.damaged-*{suffix}"))[:-COPIES_SET_ASIDE]:
            _remove(old)
        said = (
            f"{error.message}: the clone of the repository was set aside as {aside}, and the "
            "repository was cloned again"
        )
        self._said.append(said)
        _log.error("%s", said)

    def _turn(self, stopping: Stopping) -> AbstractContextManager[None]:
        """A turn, in which no other process fetches into the clone or replaces it."""

        def refused(why: str) -> SourceUnavailable:
            if stopping():
                return FetchStopped("stopped on request")
            return SourceUnavailable(f"cannot use {self._folder}: {why}")

        busy = "another process fetches into it"
        return turn_of(self._folder, FETCH_TURN, refused, busy=busy, stopping=stopping)


def _does(clone: Clone, work: Callable[[Clone], object], stopping: Stopping) -> bool:
    """Whether an empty clone can be filled, and then asked. Raises FetchStopped."""
    try:
        clone.fetch(stopping)
        work(clone)
    except FetchStopped:
        raise
    except SourceUnavailable:
        return False
    return True


def _remove(path: Path) -> None:
    """Whatever stands there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
