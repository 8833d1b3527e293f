"""The encrypted keys of a working tree, as `tunnelwright secret` changes them."""

from __future__ import annotations

import base64
import os
import re
import secrets as random_source
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.doors.files import replace_whole, usual_mode
from reconciler.load.git import refuse_links_below
from reconciler.model.bounds import SEALED_FILE_BYTES
from reconciler.model.errors import SecretUnavailable, WeakKey
from reconciler.model.quoting import NOT_SHOWN, is_plain_name
from reconciler.model.secret import Secret
from reconciler.secrets.acceptable import check_key
from reconciler.secrets.age import (
    RECIPIENTS,
    Recipient,
    create_identity,
    decrypt,
    encrypt,
    public_keys,
    read_identities,
    read_recipients,
    recipients_text,
)
from reconciler.secrets.strength import STRONG_KEY_HINT, weakness
from schemas.keys import AGE_PATH, SEALED_BY_AGE

_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class Initialised:
    """What `KeyFiles.init` came to: the identity's public keys, and whether it is new."""

    recipients: tuple[str, ...]
    created: bool
    sealed_before: tuple[str, ...]
    """Encrypted files that are older than the identity's place among the recipients: it cannot open them."""


class KeyFiles:
    """The age files of a folder of desired state, and the identity that opens them."""

    def __init__(self, tree: Path, identity: Path) -> None:
        self._tree = tree
        self.identity = identity

    def init(self) -> Initialised:
        """Make an identity where there is none, and add its public keys to the recipients.

        Raises SecretUnavailable.
        """
        try:
            public, new = [create_identity(self.identity)], True
        except FileExistsError:
            public, new = public_keys(self.identity), False
        path = self._tree / RECIPIENTS
        self._check_inside(path)
        try:
            text = recipients_text(self._tree) if os.path.lexists(path) else ""
            missing = [key for key in public if key not in text.split()]
            if missing:
                ends = "" if not text or text.endswith("\n") else "\n"
                _write(path, "\n".join([text + ends + missing[0], *missing[1:], ""]).encode())
        except OSError as error:
            raise SecretUnavailable(f"{path}: {error.strerror}") from error
        # To whom the files were encrypted, age does not say; a key that was no recipient yet cannot be one.
        return Initialised(tuple(public), new, tuple(map(self._name, self._sealed())) if missing else ())

    def check_new(self, name: str) -> None:
        """See that there is no key of this name yet. Raises SecretUnavailable."""
        path = self._path(name)
        if os.path.lexists(path):
            raise SecretUnavailable(
                f"{path} already exists, and its key would be lost",
                hint="replace it with a new random key with `tunnelwright secret rotate`, or with another "
                "key with `tunnelwright secret set --replace`",
            )

    def set(self, name: str, key: Secret, *, replace: bool = False) -> int:
        """Encrypt a key into a file; to how many recipients. One that is there stays, unless it is to be
        replaced.

        Raises SecretUnavailable, also for what can be no key, and WeakKey for one that could be guessed.
        """
        if not replace:
            self.check_new(name)
        check_key(key)
        if reason := weakness(key):
            raise WeakKey(f"the key is weak: {reason}", hint=STRONG_KEY_HINT)
        recipients = read_recipients(self._tree)
        self._encrypt(self._path(name), key, recipients)
        return len(recipients)

    def rotate(self, name: str) -> None:
        """Put a new random key in the place of one. Raises SecretUnavailable."""
        path = self._path(name)
        recipients = read_recipients(self._tree)
        if not path.is_file():
            raise SecretUnavailable(f"{path} does not exist", hint="create it with `tunnelwright secret set`")
        self._encrypt(path, random_key(), recipients)

    def rekey(self) -> list[str]:
        """Encrypt every key of the folder to its present recipients; the names of the files.

        Raises SecretUnavailable, naming each file that cannot be opened; nothing is written then.
        """
        recipients = read_recipients(self._tree)
        identities = read_identities(self.identity)
        opened: dict[Path, Secret] = {}
        problems: list[str] = []
        for path in self._sealed():
            try:
                self._check_inside(path)
                with path.open("rb") as file:
                    opened[path] = decrypt(file.read(SEALED_FILE_BYTES + 1), identities)
            except SecretUnavailable as error:
                problems.append(f"{path}: {error.message}")
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")
        if problems:
            raise SecretUnavailable(
                "; ".join(problems),
                hint="nothing was written: run `secret rekey` with an identity that can decrypt these files",
            )
        for path, key in opened.items():
            self._encrypt(path, key, recipients)
        return list(map(self._name, opened))

    def _sealed(self) -> list[Path]:
        """The encrypted files of the folder, hidden ones left out."""
        return [
            path
            for path in sorted(self._tree.rglob(f"*{SEALED_BY_AGE}"))
            if not any(part.startswith(".") for part in path.relative_to(self._tree).parts)
        ]

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._tree))

    def _path(self, name: str) -> Path:
        """Where a name leads that a document could refer to.

        Raises SecretUnavailable for another, which may be a key, and SourceUnavailable for one behind a link.
        """
        plain, path = is_plain_name(name), self._tree / name
        if re.fullmatch(AGE_PATH, name) is None:
            raise SecretUnavailable(
                f"documents cannot refer to the path {name!r}" if plain else f"{NOT_SHOWN} is not a path",
                hint=f"as in `authentication: {{mode: psk, key: {{age: keys/a--b{SEALED_BY_AGE}}}}}`",
            )
        if not plain and not path.is_file():
            raise SecretUnavailable(
                f"{NOT_SHOWN} is not the name of a file",
                hint=f"name it after both ends: keys/a--b{SEALED_BY_AGE}",
            )
        self._check_inside(path)
        return path

    def _check_inside(self, path: Path) -> None:
        """Raises SecretUnavailable or SourceUnavailable where a link leads to a folder on the way: what it
        leads to may lie outside of the tree."""
        refuse_links_below(path.parent)
        for place in path.parents:
            if place == self._tree:
                return
            if place.is_symlink():
                raise SecretUnavailable(
                    f"{place} is a symbolic link, which is not followed", hint="name the folder itself"
                )

    def _encrypt(self, path: Path, key: Secret, recipients: Sequence[Recipient]) -> None:
        try:
            _write(path, encrypt(key, recipients))
        except OSError as error:
            raise SecretUnavailable(f"cannot write {path}: {error.strerror}") from error


def random_key() -> Secret:
    """32 random bytes as base64: 44 characters that every vendor's device takes."""
    return Secret(base64.b64encode(random_source.token_bytes(_RANDOM_BYTES)))


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, readable as the user's umask says: what is written is encrypted, or public."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_whole(path, content, usual_mode())
