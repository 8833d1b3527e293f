"""All sources of keys behind one door, and the controller's own folder of keys."""

from __future__ import annotations

import contextlib
import os
import secrets as random_source
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from reconciler.model.errors import SecretUnavailable, TunnelwrightError
from reconciler.model.extras import require
from reconciler.model.fabric import PskRef
from reconciler.model.isolation import attempt
from reconciler.model.quoting import is_plain_name
from reconciler.model.secret import Secret
from reconciler.secrets.acceptable import check_key
from reconciler.secrets.allowed import FOLDER, VARIABLES, Allowed
from reconciler.secrets.private import create_private, may_write, read_private
from reconciler.secrets.provider import Answers, Provider
from schemas.keys import KEY_PREFIX, KeySource

FINGERPRINT_KEY = "fingerprint.key"
IDENTITY = "identity.txt"
_WHERE = "--secrets names the folder around it; `keys.folder` of the settings names another one"
_SHOWN = 50
"""Keys that cannot be read are named, up to so many."""
_MADE = (
    "{path} was made: the key of the fingerprints by which keys on routers are compared. Keep a copy, and "
    "give it to every controller of these routers: under another one all their keys count as changed"
)
_SHARE = "set `fingerprintKey` of FabricDefaults, or put 32 random bytes there"


class SecretStore:
    """Every source of keys, as the controller's folder and environment say how to reach it.

    The folder holds what is the controller's own: the identity that opens what is encrypted in the
    repository, and the key of fingerprints. In its folder `psk` are the key files that documents may name,
    one key each, readable by their owner alone. A file's key is its bytes, less one line end, which editors
    add.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] = os.environ,
        allowed: Allowed | None = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`allowed` is what the operator allows; without it, what the environment says of that. `note` is
        called when a key of fingerprints is made.

        Raises SecretUnavailable when the environment says nonsense.
        """
        self._folder = folder
        self._note = note
        self._environment = environment
        self._allowed = Allowed.of_environment(environment) if allowed is None else allowed
        self._keys = self._allowed.folder or folder / FOLDER
        named = environment.get("TUNNELWRIGHT_IDENTITY")
        self.identity = Path(named).expanduser() if named else folder / IDENTITY

    def keys(self, references: Iterable[PskRef]) -> dict[PskRef, Secret]:
        """Every referenced key.

        Raises SecretUnavailable naming all that cannot be read.
        """
        answers = self.ask(references)
        found = {reference: answer for reference, answer in answers.items() if isinstance(answer, Secret)}
        if len(found) < len(answers):
            raise missing(answers)
        return found

    def ask(self, references: Iterable[PskRef]) -> dict[PskRef, Secret | TunnelwrightError]:
        """Every referenced key, or why it cannot be read. A source that fails, even with an unforeseen error,
        affects only its own keys."""
        wanted = sorted(
            set(references), key=lambda reference: (reference.source, reference.name, reference.field)
        )
        found: dict[PskRef, Secret | TunnelwrightError] = {}
        for source, group in groupby(wanted, key=lambda reference: reference.source):
            found |= self._answers(source, tuple(group))
        return found

    def _answers(
        self, source: KeySource, references: tuple[PskRef, ...]
    ) -> dict[PskRef, Secret | TunnelwrightError]:
        """What a source answers, with what can be no key refused wherever it comes from."""
        read = attempt("keys", source, lambda: self._provider(source).read(references))
        if isinstance(read, TunnelwrightError):
            return dict.fromkeys(references, read)
        return {reference: _accepted(answer) for reference, answer in read.items()}

    def _provider(self, source: KeySource) -> Provider:
        # Each is imported where it is needed: most controllers use one.
        match source:
            case "file":
                return _Each(self._file)
            case "env":
                return _Each(self._variable)
            case "age":
                from reconciler.secrets.age import AgeFiles  # noqa: PLC0415

                return AgeFiles(self.identity)
            case "sops":
                from reconciler.secrets.sops import SopsFiles  # noqa: PLC0415

                return SopsFiles(self.identity, self._environment, self._allowed.sops_services)
            case "vault":
                require("vault")
                from reconciler.secrets.vault import Vault  # noqa: PLC0415

                return Vault(self._environment, self._allowed.vault_path)

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
            raise SecretUnavailable(
                f"cannot create {path}: {error.strerror}",
                hint=_SHARE,
            ) from error
        return read_private(path)

    def check_fingerprint_key(self) -> None:
        """Raise SecretUnavailable where `fingerprint_key` would; nothing is made."""
        path = self._folder / FINGERPRINT_KEY
        if os.access(path, os.F_OK):
            read_private(path)
        elif not may_write(self._folder):
            raise SecretUnavailable(f"cannot create {path}", hint=_SHARE)

    def add(self, name: str, key: Secret) -> None:
        """Keep a key in a file of its own, for its owner alone. One that is there already stays.

        Raises SecretUnavailable when it can be no key, when the file holds another one, or cannot be written.
        """
        path = self._keys / name
        try:
            check_key(key)
            create_private(path, key.reveal())
        except SecretUnavailable as error:
            error.message = f"{path}: {error.message}"
            raise
        except FileExistsError:
            if read_private(path) != key:
                raise SecretUnavailable(f"{path} already exists with another key") from None
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
                self._note(_MADE.format(path=path))
        finally:
            Path(temporary).unlink()

    def _variable(self, reference: PskRef) -> Secret:
        if not self._allowed.variable(reference.name):
            raise SecretUnavailable(
                f"documents may not name this variable: it does not begin with {KEY_PREFIX}",
                hint=f"rename it, or allow it with `keys.variables` of the settings, {VARIABLES}",
            )
        value = self._environment.get(reference.name)
        if not value:
            raise SecretUnavailable("the environment variable is not set")
        return Secret(os.fsencode(value))

    def _file(self, reference: PskRef) -> Secret:
        path = self._keys / reference.name
        hint = f"put each key into a file of mode 0600 in {self._keys} ({_WHERE})"
        if not os.path.lexists(path) and os.path.lexists(self._folder / reference.name):
            # Where key files were before they had a folder of their own.
            hint = f"move {self._folder / reference.name} to {self._keys}, the folder of key files"
        try:
            self._check_own(path)
            return read_private(path)
        except SecretUnavailable as error:
            error.hint = error.hint or hint
            if not is_plain_name(reference.name):
                # What stands in the place of a file's name may be a key.
                error.message = error.message.replace(reference.name, "…")
                error.hint = error.hint.replace(reference.name, "…")
            raise

    def _check_own(self, path: Path) -> None:
        """Raises SecretUnavailable for what lies elsewhere, or is the controller's own."""
        real = path.resolve()
        if not real.is_relative_to(self._keys.resolve()):
            raise SecretUnavailable(
                f"{path} is a link that leads out of its folder", hint="put the file itself there"
            )
        if real in {item.resolve() for item in (self.identity, self._folder / FINGERPRINT_KEY)}:
            raise SecretUnavailable(f"{path} is the controller's own, not a tunnel's key")


def missing(answers: Mapping[PskRef, Secret | TunnelwrightError]) -> SecretUnavailable:
    """The error that names what of these cannot be read, up to a number, with each hint once."""
    errors = {ref: answer for ref, answer in answers.items() if isinstance(answer, TunnelwrightError)}
    problems = [f"{reference}: {error.message}" for reference, error in errors.items()]
    more = len(problems) - _SHOWN
    shown = problems if more <= 0 else [*problems[:_SHOWN], f"and {more} more"]
    hints = dict.fromkeys(error.hint for error in errors.values() if error.hint)
    return SecretUnavailable("keys are missing: " + "; ".join(shown), hint="; ".join(hints))


def _accepted(answer: Secret | SecretUnavailable) -> Secret | SecretUnavailable:
    if isinstance(answer, Secret):
        try:
            check_key(answer)
        except SecretUnavailable as error:
            return error
    return answer


class _Each:
    """A source that is asked for one key after the other."""

    def __init__(self, one: Callable[[PskRef], Secret]) -> None:
        self._one = one

    def read(self, references: Sequence[PskRef]) -> Answers:
        """Answer each."""
        answers: dict[PskRef, Secret | SecretUnavailable] = {}
        for reference in references:
            try:
                answers[reference] = self._one(reference)
            except SecretUnavailable as error:
                answers[reference] = error
        return answers


def default_folder() -> Path:
    """`$XDG_CONFIG_HOME/tunnelwright/secrets`.

    Raises SecretUnavailable for a user who has no home.
    """
    try:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    except RuntimeError as error:
        raise SecretUnavailable(
            "there is no home directory for keys", hint="--secrets names a folder"
        ) from error
    return base / "tunnelwright" / "secrets"
