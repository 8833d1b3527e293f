"""Preflight: checks whether a service with these settings could work, without contacting routers.
Changes nothing; the clone of the repository gets the commit, separately from the followed commits."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.forges.choose import forge
from reconciler.forges.forge import Kind
from reconciler.load import Path as FieldPath
from reconciler.load import dotted
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.errors import ExitCode, SecretUnavailable, TunnelwrightError
from reconciler.model.extras import ExtraMissing, require
from reconciler.model.fabric import DockerAccess, Fabric
from reconciler.model.listing import counted
from reconciler.operations.desired import keys_of
from reconciler.secrets import SecretStore, may_write, read_private
from reconciler.service.clone import BranchMissing
from reconciler.service.receiver import receiver
from reconciler.service.repository import FollowedRepository
from reconciler.service.settings import Effective
from reconciler.validate import validate


@dataclass(frozen=True, slots=True)
class Ready:
    """What a service would begin with: the head of the branch, what that holds, and the keys it needs."""

    commit: str
    branch: str
    routers: int
    tunnels: int
    keys: int

    def __str__(self) -> str:
        return (
            f"{self.commit[:12]} of {self.branch}: {counted(self.routers, 'router')}, "
            f"{counted(self.tunnels, 'tunnel end')}, {counted(self.keys, 'key')}"
        )


@dataclass(slots=True)
class Preflight:
    """One look at everything. Every problem is in `found`, at the setting that is to blame; none holds a
    secret."""

    effective: Effective
    repository: FollowedRepository
    store: SecretStore
    trust: Callable[[str], object]
    """Raises for a commit that does not count."""
    history: Path
    found: Diagnostics
    exit_code: ExitCode = ExitCode.OK
    """INVALID when something is wrong that an author of the desired state can correct, else ERROR when
    something is wrong."""

    def run(self) -> Ready | None:
        """Look; None when a service could not begin."""
        self._private_files()
        self._signers()
        self._folders()
        ready = self._repository()
        return ready if self.exit_code is ExitCode.OK else None

    def _private_files(self) -> None:
        values = self.effective.values
        listen, page, status = values.listen, values.page, values.status
        if page is not None:
            with self._blamed("extra-missing", ("page",)):
                require("page")
            if page.token_file is not None:
                with self._blamed("file-unusable", ("page", "tokenFile")):
                    read_private(Path(page.token_file).expanduser())
        if listen is not None and listen.webhook_secret_file is not None:
            with self._blamed("file-unusable", ("listen", "webhookSecretFile")):
                read_private(Path(listen.webhook_secret_file).expanduser())
        if status is not None:
            with self._blamed("file-unusable", ("status", "tokenFile")):
                token = read_private(Path(status.token_file).expanduser())
                forge(Kind(status.forge), status.url, status.project, token)
        for number, notify in enumerate(self.effective.values.notify):
            with self._blamed("file-unusable", ("notify", number, "urlFile")):
                receiver(read_private(Path(notify.url_file).expanduser()))

    def _signers(self) -> None:
        signatures = self.effective.values.signatures
        if signatures.allowed_signers is not None:
            with self._blamed("file-unusable", ("signatures", "allowedSigners")):
                _check_trusted(Path(signatures.allowed_signers).expanduser(), Path.read_bytes)
        if signatures.revoked_signers is not None:
            with self._blamed("file-unusable", ("signatures", "revokedSigners")):
                _check_trusted(Path(signatures.revoked_signers).expanduser(), Path.read_bytes)
        if signatures.keyring is not None:
            with self._blamed("file-unusable", ("signatures", "keyring")):
                _check_trusted(Path(signatures.keyring).expanduser(), os.listdir)

    def _folders(self) -> None:
        if self.effective.values.secrets is not None:
            with self._blamed("file-unusable", ("secrets",)):
                _check_trusted(Path(self.effective.values.secrets).expanduser(), os.listdir)
        if self.effective.values.metrics_file is not None:
            with self._blamed("file-unusable", ("metricsFile",)):
                _check_writable(Path(self.effective.values.metrics_file).expanduser().parent, make=False)

    def _repository(self) -> Ready | None:
        state = Path(self.effective.values.state).expanduser()
        commit = ""
        with self._blamed("file-unusable", ("state",)):
            _check_writable(state, make=True)
            if os.access(self.history, os.F_OK) and not os.access(self.history, os.R_OK | os.W_OK):
                raise TunnelwrightError(f"{self.history} cannot be read and written")
            with (
                self._blamed("repository-unavailable", ("repository",)),
                self._blamed("branch-missing", ("branch",), BranchMissing),
            ):
                commit = self.repository.peek()
        if not commit:
            return None
        with self._blamed("commit-not-trusted", ("signatures",)):
            self.trust(commit)
        fabric = self._fabric(commit)
        if fabric is None:
            return None
        if any(isinstance(router.access, DockerAccess) for router in fabric.routers.values()):
            with self._blamed("extra-missing", ("folder",)):
                require("docker")
        count = 0
        with self._blamed("keys-unavailable", ("secrets",)):
            keys = keys_of(fabric, self.store)
            count = len(keys)
            if keys and fabric.fingerprint_key is None:
                self.store.check_fingerprint_key()
        return Ready(commit, self.effective.values.branch, len(fabric.routers), len(fabric.tunnels), count)

    def _fabric(self, commit: str) -> Fabric | None:
        with self._blamed("folder-unavailable", ("folder",)):
            fabric, found = validate(self.repository.load(commit))
            self.found.extend(found)
            if not found.errors:
                return fabric
            self.exit_code = ExitCode.INVALID
        return None

    @contextmanager
    def _blamed(
        self, code: str, path: FieldPath, kind: type[TunnelwrightError] = TunnelwrightError
    ) -> Iterator[None]:
        try:
            yield
        except kind as error:
            where = self.effective.where(path)
            code = "extra-missing" if isinstance(error, ExtraMissing) else code
            self.found.error(code, where, error.message, path=dotted(path), hint=error.hint)
            # What an author can correct in Git (6) goes before all else (1).
            self.exit_code = max(self.exit_code, error.exit_code)


def _check_trusted(path: Path, read: Callable[[Path], object]) -> None:
    """Raise unless it can be read, and not everyone can write it."""
    try:
        read(path)
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise SecretUnavailable(f"{path}: {error.strerror}") from error
    if mode & stat.S_IWOTH:
        raise SecretUnavailable(f"{path} may be written by everyone (mode {mode:04o}): chmod o-w it")


def _check_writable(folder: Path, *, make: bool) -> None:
    if not may_write(folder) or not (make or folder.is_dir()):
        raise TunnelwrightError(f"{folder} is not a writable folder")
