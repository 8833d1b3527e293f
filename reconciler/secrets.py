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
STRONG_KEY_HINT = "32 random bytes make a good one: head -c 32 /dev/urandom | base64"
_PRIVATE = 0o077
_STRONG = 14
"""Powers of ten of guesses: a hundred million a second take more than ten days."""
_JUDGED = 32
"""Characters; so many random ones are far more than enough."""


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
        return read_private(path)

    def add(self, name: str, key: Secret) -> None:
        """Keep a key in a file of its own, for its owner alone. One that is there already stays.

        Raises SecretUnavailable when the file holds another key, or cannot be written.
        """
        path = self._folder / name
        content = key.reveal()
        # One line end at the end of a file is no part of its key.
        ends = b"\n" if content.endswith((b"\n", b"\r")) else b""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content + ends)
        except FileExistsError:
            if read_private(path) != key:
                raise SecretUnavailable(f"{path} is there already and holds another key") from None
        except OSError as error:
            raise SecretUnavailable(f"cannot write {path}: {error.strerror}") from error

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
        return read_private(self._folder / reference.name)


def read_private(path: Path) -> Secret:
    """A file's bytes, less one line end at its end.

    Raises SecretUnavailable when it is not there, is empty, or may be read by others.
    """
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


def weakness(key: Secret) -> str:
    """Why a key could be guessed; empty for one that could not.

    Whoever talks to a peer in its partner's place can try keys offline against what it answers
    (RFC 7296, section 2.15), so the number of guesses counts, and zxcvbn estimates it.
    """
    from zxcvbn import zxcvbn  # noqa: PLC0415  60 ms that other commands need not pay

    text = key.reveal().decode(errors="replace")
    # What is long enough in a part of it is so as a whole; the estimate of more takes longer and longer.
    judged = [zxcvbn(part) for part in {text[:_JUDGED], text[-_JUDGED:]}]
    found = max(judged, key=lambda result: result["guesses_log10"])
    guesses = found["guesses_log10"]
    if guesses >= _STRONG:
        return ""
    reason = found["feedback"]["warning"] or "it is short for what it is made of"
    return f"{reason.rstrip('.')} (about 10^{guesses:.0f} guesses; 10^{_STRONG} are needed)"


def default_folder() -> Path:
    """`$XDG_CONFIG_HOME/tunnelwright/secrets`."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "tunnelwright" / "secrets"
