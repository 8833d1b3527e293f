"""One clone of the repository that is followed: bare, with the branch wherever that goes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reconciler.doors.processes import never
from reconciler.load import Loaded, load_revision
from reconciler.load.git import GitFailed, GitStopped, Repository, Watch, initialised
from reconciler.model.bounds import COMMIT_BYTES
from reconciler.model.credentials import without_credentials
from reconciler.model.errors import SourceBroken, SourceUnavailable
from reconciler.model.suggestion import did_you_mean, known

GOOD: Final = "refs/tunnelwright/good"
"""What keeps the last good commit here when the branch is rewritten without it."""
_PEEKED = "refs/tunnelwright/peeked"
_STEPS = ("--deepen=100", "--deepen=1000", "--deepen=10000", "--unshallow")
"""How what is older than the first transfer is brought: each step that ended stays here."""
_HOUR = 3600.0

Stopping = Callable[[], bool]
Turn = Callable[[Stopping], AbstractContextManager[object]]
"""Holds up all others who fetch into the same clone."""


class BranchMissing(SourceUnavailable):
    """The remote answers, and has no branch of that name."""


class FetchStopped(SourceUnavailable):
    """The process is to end, so the transfer was ended."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What is followed: where it is, its branch, and the folder of the desired state in it."""

    remote: str
    branch: str
    subdir: str
    watch: Watch


def alone(_: Stopping) -> AbstractContextManager[object]:
    """For a clone that no other process knows, or whose turn is held already."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone in its own folder. Whether the head of the branch counts is decided elsewhere (`trust.py`).

    Git keeps nothing of a transfer that broke off. So the first one brings the newest commit alone, which is
    all that is planned from; what is older comes when it is needed, in steps of which each stays.

    Every method raises SourceUnavailable, and SourceBroken where the clone itself may be at fault.
    """

    folder: Path
    followed: Followed
    turn: Turn = alone

    def fetch(self, stopping: Stopping) -> str:
        """Bring the branch here; the id of its commit. Raises FetchStopped once `stopping` says so."""
        return self._fetch(f"refs/heads/{self.followed.branch}", stopping)

    def peek(self) -> str:
        """As `fetch`, but what was fetched last stays `head`."""
        return self._fetch(_PEEKED, never)

    def head(self) -> str:
        """The commit that the last fetch has brought; empty before the first."""
        return self._there(f"refs/heads/{self.followed.branch}")

    def keep(self, commit: str) -> None:
        """See that a commit stays here when the branch is rewritten without it."""
        with self._repository("keep") as repository:
            self._bring(repository, commit, never)
            repository.ask("update-ref", GOOD, commit)

    def kept(self) -> str:
        """The commit that was kept last; empty for none."""
        return self._there(GOOD)

    def find(self, rev: str) -> str:
        """The full id of a commit that is here."""
        with self._repository("read") as repository:
            if not repository.has(rev):
                raise SourceUnavailable(f"there is no commit {rev!r} in {self.folder}")
            return repository.commit(rev)

    def load(self, commit: str, stopping: Stopping) -> Loaded:
        """The documents of a commit, which is brought when it is not here."""
        with self._repository("read") as repository:
            self._bring(repository, commit, stopping)
            return load_revision(repository, commit, self.followed.subdir)

    def raw(self, commit: str, stopping: Stopping) -> bytes:
        """A commit as it is signed: headers, signature, message. It is brought when it is not here."""
        with self._repository("read") as repository:
            self._bring(repository, commit, stopping)
            return repository.ask("cat-file", "commit", commit, most=COMMIT_BYTES)

    def descends(self, commit: str, from_: str, stopping: Stopping) -> bool:
        """Whether a commit is another one, or has it among its ancestors. False also when that is not here.

        Raises SourceUnavailable when history has to be fetched to know, and cannot be.
        """
        with self._repository("read") as repository:
            if not repository.is_ancestor(from_, commit) and repository.is_shallow():
                self._complete(stopping)
            return repository.is_ancestor(from_, commit)

    def between(self, old: str, new: str, most: int, stopping: Stopping) -> list[str]:
        """The commits that `new` has among its ancestors and `old` has not, by whichever parent: `new`
        itself first, and no more than `most` of them.

        Raises SourceUnavailable when history has to be fetched to know, and cannot be; and when it is cut
        between the two, so that what lies behind the cut would be passed over.
        """
        with self._repository("read") as repository:
            # Where history was cut, what a merge brought from before the cut looks new.
            if repository.is_shallow() and (not repository.has(old) or repository.has_merges(old, new)):
                self._complete(stopping)
            found, is_whole = _between(repository, old, new, most)
            if not is_whole:
                self._complete(stopping)
                found, is_whole = _between(repository, old, new, most)
            if not is_whole:
                raise SourceUnavailable(
                    f"history is cut between {old[:12]} and {new[:12]}",
                    hint="the followed repository must have its complete history",
                )
            return found

    def _there(self, ref: str) -> str:
        if not self.folder.is_dir():
            return ""
        with self._repository("read") as repository:
            return repository.commit(ref) if repository.has(ref) else ""

    def _fetch(self, ref: str, stopping: Stopping) -> str:
        with self._repository("fetch") as repository, self.turn(stopping):
            if not self.folder.is_dir():
                initialised(self.folder, self.followed.branch)
            # A depth cuts all that is here, whichever reference has brought it.
            depth = ("--depth=1",) if repository.is_empty() else ()
            try:
                branch = f"refs/heads/{self.followed.branch}"
                self._transfer(repository, branch, ref, *depth, stopping=stopping)
            except GitFailed:
                self._check_branch(repository, stopping)
                raise
            return repository.commit(ref)

    def _check_branch(self, repository: Repository, stopping: Stopping) -> None:
        """Raises BranchMissing when the remote can be asked for its branches, and does not name this one."""
        name, remote = self.followed.branch, self.followed.remote
        try:
            names = repository.branches_of(remote, replace(self.followed.watch, stopping=stopping))
        except GitFailed:
            return
        if name not in names:
            there = f"the branches are {known(names)}" if names else "it has no branch at all"
            message = f"{without_credentials(remote)} has no branch {name}"
            raise BranchMissing(message, hint=did_you_mean(name, names) or there)

    def _complete(self, stopping: Stopping) -> None:
        """Bring what is older than what the first transfer brought."""
        with self._repository("fetch") as repository, self.turn(stopping):
            for step in _STEPS:
                if not repository.is_shallow():
                    return
                branch = f"refs/heads/{self.followed.branch}"
                self._transfer(repository, branch, _PEEKED, step, stopping=stopping)

    def _bring(self, repository: Repository, commit: str, stopping: Stopping) -> None:
        """Bring a commit that is not here: the clone is younger than it, or the branch went without it."""
        if not repository.has(commit):
            with self._repository("fetch"), self.turn(stopping):
                self._transfer(repository, commit, _PEEKED, stopping=stopping)

    def _transfer(
        self, repository: Repository, what: str, ref: str, *options: str, stopping: Stopping
    ) -> None:
        _remove_unfinished(self.folder)
        watch = replace(self.followed.watch, stopping=stopping)
        repository.fetch(self.followed.remote, f"+{what}:{ref}", *options, watch=watch)

    @contextmanager
    def _repository(self, operation: str) -> Iterator[Repository]:
        of = f"{without_credentials(self.followed.remote)}, branch {self.followed.branch}"
        where = f"{operation} of {of}"
        try:
            if not self.folder.is_dir() and (operation != "fetch" or os.path.lexists(self.folder)):
                raise NotADirectoryError("there is no folder")
            yield Repository(self.folder)
        except GitStopped as error:
            raise FetchStopped(f"{where}: {error.message}") from error
        except GitFailed as error:
            kind = SourceBroken if isinstance(error, SourceBroken) else SourceUnavailable
            raise kind(f"{where}: {without_credentials(error.message)}") from error
        except OSError as error:
            raise SourceBroken(f"cannot use {self.folder}: {error}") from error


def _remove_unfinished(folder: Path) -> None:
    """What a killed fetch has left: its locks would end every fetch to come, and its packs fill the disk.
    No other process fetches at that time."""
    for pattern in ("*.lock", "refs/**/*.lock"):
        for left in folder.glob(pattern):
            left.unlink(missing_ok=True)
    for left in folder.glob("objects/pack/tmp_*"):
        # A repack in the background has such files too, and ends within the hour.
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - _HOUR:
                left.unlink()


def _between(repository: Repository, old: str, new: str, most: int) -> tuple[list[str], bool]:
    """The commits, and whether none of them is one whose parents are missing. Another process may fetch
    at the same time: a cut counts whether it was there before or after."""
    cuts = repository.cuts()
    found = repository.between(old, new, most)
    return found, (cuts | repository.cuts()).isdisjoint(found)
