"""The repository as the reconciler has it: a bare copy that follows one branch, wherever that goes."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from reconciler.child import never
from reconciler.load import Loaded, load_revision
from reconciler.load.git import GitFailed, GitStopped, Repository, Watch, initialised
from reconciler.model.bounds import COMMIT_BYTES
from reconciler.model.credentials import without_credentials
from reconciler.model.errors import SourceUnavailable

_GOOD = "refs/tunnelwright/good"
_PEEKED = "refs/tunnelwright/peeked"
_STEPS = ("--deepen=100", "--deepen=1000", "--deepen=10000", "--unshallow")
"""How what is older than the first transfer is brought: each step that ended stays here."""
_TURN_FILE = "tunnelwright.turn"
_HOUR = 3600.0
_TURN = 60.0
"""Seconds that a fetch waits for another process that fetches into the same folder."""


class FetchStopped(SourceUnavailable):
    """The process is to end, so the transfer was ended."""


class Mirror:
    """A bare repository in the reconciler's own folder. The branch is followed even when it is rewritten:
    whether its head counts is decided elsewhere (`trust.py`).

    Git keeps nothing of a transfer that broke off. So the first one brings the newest commit alone, which is
    all that is planned from; what is older comes when somebody needs it, in steps of which each stays.
    """

    def __init__(
        self, folder: Path, remote: str, branch: str, subdir: str, watch: Watch | None = None
    ) -> None:
        self._folder = folder
        self._remote = remote
        self._branch = branch
        self._subdir = subdir
        self._watch = Watch() if watch is None else watch

    def fetch(self, stopping: Callable[[], bool] = never) -> str:
        """Bring the branch here; the id of its commit.

        Raises SourceUnavailable when the remote does not answer, or has no such branch; FetchStopped once
        `stopping` says so.
        """
        return self._fetch(f"refs/heads/{self._branch}", stopping)

    def peek(self) -> str:
        """As `fetch`, but what was fetched last stays `head`: a service that runs beside does not notice."""
        return self._fetch(_PEEKED, never)

    def head(self) -> str:
        """The commit that the last fetch has brought; empty before the first."""
        with self._repository("read") as repository:
            ref = f"refs/heads/{self._branch}"
            return repository.commit(ref) if repository.has(ref) else ""

    def keep(self, commit: str) -> None:
        """See that a commit stays here when the branch is rewritten without it."""
        with self._repository("keep") as repository:
            repository.ask("update-ref", _GOOD, commit)

    def kept(self) -> str:
        """The commit that was kept last; empty for none."""
        with self._repository("read") as repository:
            return repository.commit(_GOOD) if repository.has(_GOOD) else ""

    def find(self, rev: str) -> str:
        """The full id of a commit that is here. Raises SourceUnavailable."""
        with self._repository("read") as repository:
            return repository.commit(rev)

    def load(self, commit: str) -> Loaded:
        """The documents of a commit.

        Raises SourceUnavailable when it is not here (any more), or has no such folder.
        """
        with self._repository("read") as repository:
            return load_revision(repository, commit, self._subdir)

    def descends(self, commit: str, from_: str, stopping: Callable[[], bool] = never) -> bool:
        """Whether a commit is another one, or has it among its ancestors. False also when that is not here.

        Raises SourceUnavailable when history has to be fetched to know, and cannot be.
        """
        with self._repository("read") as repository:
            if not repository.is_ancestor(from_, commit) and repository.is_shallow():
                self._complete(stopping)
            return repository.is_ancestor(from_, commit)

    def between(self, old: str, new: str, most: int, stopping: Callable[[], bool] = never) -> list[str]:
        """The commits that `new` has among its ancestors and `old` has not, by whichever parent: `new`
        itself first, and no more than `most` of them.

        Raises SourceUnavailable when history has to be fetched to know, and cannot be; and when it is cut
        between the two, so that what lies behind the cut would be passed over.
        """
        with self._repository("read") as repository:
            # Where history was cut, what a merge brought from before the cut looks new.
            if repository.is_shallow() and repository.has_merges(old, new):
                self._complete(stopping)
            found, is_whole = _between(repository, old, new, most)
            if not is_whole:
                self._complete(stopping)
                found, is_whole = _between(repository, old, new, most)
            if not is_whole:
                raise SourceUnavailable(
                    f"history is cut between {old[:12]} and {new[:12]}",
                    hint="the repository that is followed has to have all of it",
                )
            return found

    def raw(self, commit: str) -> bytes:
        """A commit as it is signed: headers, signature, message."""
        with self._repository("read") as repository:
            return repository.ask("cat-file", "commit", commit, most=COMMIT_BYTES)

    def _fetch(self, ref: str, stopping: Callable[[], bool]) -> str:
        with self._repository("fetch") as repository, self._alone(stopping):
            # A depth cuts all that is here, whichever reference has brought it.
            depth = ("--depth=1",) if repository.is_empty() else ()
            self._transfer(repository, f"+refs/heads/{self._branch}:{ref}", *depth, stopping=stopping)
            return repository.commit(ref)

    def _complete(self, stopping: Callable[[], bool]) -> None:
        """Bring what is older than what the first transfer brought."""
        with self._repository("fetch") as repository, self._alone(stopping):
            for step in _STEPS:
                if not repository.is_shallow():
                    return
                self._transfer(repository, f"+refs/heads/{self._branch}:{_PEEKED}", step, stopping=stopping)

    def _transfer(
        self, repository: Repository, refspec: str, *options: str, stopping: Callable[[], bool]
    ) -> None:
        repository.fetch(self._remote, refspec, *options, watch=replace(self._watch, stopping=stopping))

    @contextmanager
    def _repository(self, operation: str) -> Iterator[Repository]:
        where = f"{operation} of {without_credentials(self._remote)}, branch {self._branch}"
        try:
            yield self._open()
        except GitStopped as error:
            raise FetchStopped(f"{where}: {error.message}") from error
        except GitFailed as error:
            raise SourceUnavailable(f"{where}: {without_credentials(error.message)}") from error
        except OSError as error:
            raise SourceUnavailable(f"cannot use {self._folder}: {error}") from error

    def _open(self) -> Repository:
        """The copy; one that is damaged is made anew, since the remote has all of it."""
        if all((self._folder / name).exists() for name in ("HEAD", "objects", "refs")):
            return Repository(self._folder)
        if self._folder.exists():
            shutil.rmtree(self._folder)
        return initialised(self._folder, self._branch)

    @contextmanager
    def _alone(self, stopping: Callable[[], bool]) -> Iterator[None]:
        """Nobody else fetches meanwhile; so what a killed fetch has left unfinished can be removed: its
        locks would end every fetch to come, and its packs fill the disk."""
        with (self._folder / _TURN_FILE).open("w") as turn:
            deadline = time.monotonic() + _TURN
            while not _is_taken(turn):
                if stopping():
                    raise FetchStopped("stopped on request")
                if time.monotonic() > deadline:
                    raise SourceUnavailable(f"another process fetches into {self._folder}")
                time.sleep(0.1)
            for pattern in ("*.lock", "refs/**/*.lock"):
                for left in self._folder.glob(pattern):
                    left.unlink(missing_ok=True)
            for left in self._folder.glob("objects/pack/tmp_*"):
                # A repack in the background has such files too, and ends within the hour.
                with suppress(OSError):
                    if left.stat().st_mtime < time.time() - _HOUR:
                        left.unlink()
            yield


def _between(repository: Repository, old: str, new: str, most: int) -> tuple[list[str], bool]:
    """The commits, and whether none of them is one whose parents are missing. Another process may fetch
    meanwhile: a cut counts whether it was there before or after."""
    cuts = repository.cuts()
    found = repository.between(old, new, most)
    return found, (cuts | repository.cuts()).isdisjoint(found)


def _is_taken(turn: IO[str]) -> bool:
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
