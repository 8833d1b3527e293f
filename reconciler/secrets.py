"""Key references -> key material. Keys come from outside the repository and never go back into it."""

from __future__ import annotations

import contextlib
import os
import secrets as random_source
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret

FINGERPRINT_KEY = "fingerprint.key"
_PRIVATE = 0o077


class SecretStore:
    """A folder of key files, one key each, readable by their owner alone; or environment variables.

    A file's key is its bytes, less one line end at its end, which editors add.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environment = environment

    def keys(self, references: Iterable[PskRef]) -> dict[PskRef, Secret]:
        """Every referenced key.

        Raises SecretUnavailable naming all that cannot be had.
        """
        found: dict[PskRef, Secret] = {}
        problems: list[str] = []
        for reference in sorted(set(references), key=str):
            try:
                found[reference] = self._read(reference)
            except SecretUnavailable as error:
                problems.append(f"{reference}: {error.message}")
        if problems:
            raise SecretUnavailable(
                "keys are missing: " + "; ".join(problems),
                hint=f"put each key into a file of mode 0600 in {self._folder} (--secrets names the folder)",
            )
        return found

    def fingerprint_key(self) -> Secret:
        """The controller's own key, under which fingerprints of keys are made; created at first use.

        Controllers that share routers must share it, else each sees the other's keys as changed.
        Raises SecretUnavailable.
        """
        path = self._folder / FINGERPRINT_KEY
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                self._create(path)
        except OSError as error:
            raise SecretUnavailable(f"cannot create {path}: {error.strerror}") from error
        return self._read_file(path)

    def _create(self, path: Path) -> None:
        """Written whole, then linked: two runs at once agree on one key, and a crash leaves none."""
        descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".fingerprint-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(random_source.token_hex(32).encode())
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            Path(temporary).unlink()

    def _read(self, reference: PskRef) -> Secret:
        if reference.source == "env":
            value = self._environment.get(reference.name)
            if not value:
                raise SecretUnavailable("the environment variable is not set")
            return Secret(os.fsencode(value))
        return self._read_file(self._folder / reference.name)

    def _read_file(self, path: Path) -> Secret:
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                if stat.S_IMODE(mode) & _PRIVATE:
                    raise SecretUnavailable(
                        f"{path} may be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 it"
                    )
                content = file.read()
        except OSError as error:
            raise SecretUnavailable(f"{path}: {error.strerror}") from error
        key = content.removesuffix(b"\n").removesuffix(b"\r")
        if not key:
            raise SecretUnavailable(f"{path} is empty")
        return Secret(key)


def default_folder() -> Path:
    """`$XDG_CONFIG_HOME/tunnelwright/secrets`."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "tunnelwright" / "secrets"
