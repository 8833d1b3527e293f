"""The repository as the reconciler has it: a bare copy that follows one branch, wherever that goes."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.load import Loaded, load_revision
from reconciler.model.errors import SourceUnavailable, TunnelwrightError

if TYPE_CHECKING:
    from git import Repo

_PATIENCE = 60.0
"""Seconds that the remote has for one fetch."""
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")


class CommitNotTrusted(TunnelwrightError):
    """The commit is not signed by anyone who may."""


def without_credentials(text: str) -> str:
    """Addresses in a text without the user and password that they may hold."""
    return _CREDENTIALS.sub("", text)


class Mirror:
    """A bare repository in the reconciler's own folder. The branch is followed even when it is rewritten:
    what is there is what is desired."""

    def __init__(self, folder: Path, remote: str, branch: str, subdir: str) -> None:
        self._folder = folder
        self._remote = remote
        self._branch = branch
        self._subdir = subdir

    def fetch(self) -> str:
        """Bring the branch here; the id of its commit.

        Raises SourceUnavailable when the remote does not answer, or has no such branch.
        """
        return self._fetch(f"refs/heads/{self._branch}")

    def peek(self) -> str:
        """As `fetch`, but what was fetched last stays `head`: a service that runs beside does not notice."""
        return self._fetch("refs/tunnelwright/peeked")

    def _fetch(self, ref: str) -> str:
        with self._repository("fetch") as repository:
            repository.git.fetch(
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                "--prune",
                "--end-of-options",
                self._remote,
                f"+refs/heads/{self._branch}:{ref}",
                kill_after_timeout=_PATIENCE,
            )
            return str(repository.git.rev_parse("--verify", ref))

    def head(self) -> str:
        """The commit that the last fetch has brought; empty before the first."""
        with self._repository("read") as repository:
            return next((ref.commit.hexsha for ref in repository.heads if ref.name == self._branch), "")

    def keep(self, commit: str) -> None:
        """See that a commit stays here when the branch is rewritten without it."""
        with self._repository("keep") as repository:
            repository.git.update_ref("refs/tunnelwright/good", commit)

    def load(self, commit: str) -> Loaded:
        """The documents of a commit.

        Raises SourceUnavailable when it is not here (any more), or has no such folder.
        """
        return load_revision(self._folder, commit, self._subdir)

    def check_signature(self, commit: str, allowed_signers: Path | None, keyring: Path | None) -> None:
        """Raise CommitNotTrusted unless the commit is signed by an SSH key of `allowed_signers`
        (ssh-keygen(1), "ALLOWED SIGNERS") or by an OpenPGP key of the GnuPG home `keyring`."""
        from git import GitCommandError  # noqa: PLC0415

        with tempfile.TemporaryDirectory() as nobody, self._repository("verify") as repository:
            # Without these git would ask the user's own keyring.
            signers = os.devnull if allowed_signers is None else str(allowed_signers)
            home = nobody if keyring is None else str(keyring)
            try:
                with repository.git.custom_environment(GNUPGHOME=home):
                    repository.git.execute(
                        ["git", "-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", commit],
                        kill_after_timeout=_PATIENCE,
                    )
            except GitCommandError as error:
                raise CommitNotTrusted(
                    f"the commit {commit[:12]} is not signed by anyone who may: {_words(error.stderr)}"
                ) from error

    @contextmanager
    def _repository(self, operation: str) -> Iterator[Repo]:
        from git import GitCommandError, GitError  # noqa: PLC0415

        # Nobody is there to be asked for a password.
        ssh = os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
        try:
            with (
                self._open() as repository,
                repository.git.custom_environment(GIT_TERMINAL_PROMPT="0", GIT_SSH_COMMAND=ssh),
            ):
                yield repository
        except GitCommandError as error:
            where = f"{without_credentials(self._remote)}, branch {self._branch}"
            raise SourceUnavailable(f"{operation} of {where}: {_words(error.stderr)}") from error
        except (GitError, ValueError, OSError) as error:
            raise SourceUnavailable(f"cannot use {self._folder}: {error}") from error

    def _open(self) -> Repo:
        """The copy; one that is damaged is made anew, since the remote has all of it."""
        from git import InvalidGitRepositoryError, NoSuchPathError, Repo  # noqa: PLC0415

        try:
            return Repo(self._folder)
        except NoSuchPathError:
            pass
        except InvalidGitRepositoryError:
            shutil.rmtree(self._folder)
        self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Repo.init(self._folder, mkdir=True, bare=True, initial_branch=self._branch)


def _words(stderr: str) -> str:
    """The last line that git said, without what it may say of credentials."""
    lines = stderr.strip().removeprefix("stderr: ").strip("' \n").splitlines()
    return without_credentials(lines[-1].strip()) if lines else "no answer"
