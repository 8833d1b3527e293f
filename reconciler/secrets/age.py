"""Keys in files of the repository that age encrypts (age-encryption.org/v1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pyrage

from reconciler.model.bounds import PRIVATE_FILE_BYTES, SEALED_FILE_BYTES
from reconciler.model.credentials import private_key
from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret
from reconciler.secrets.private import create_private, read_private
from reconciler.secrets.provider import Answers

RECIPIENTS = "age.recipients"
"""In the folder of the desired state: to whom its keys are encrypted, one a line, as `age -R` reads it."""

_SSH_KEY = b"-----BEGIN"
Identity: TypeAlias = "pyrage.x25519.Identity | pyrage.ssh.Identity"
Recipient: TypeAlias = "pyrage.x25519.Recipient | pyrage.ssh.Recipient"


class AgeFiles:
    """Opens what the repository holds with the controller's identity."""

    def __init__(self, identity: Path) -> None:
        self._path = identity

    def read(self, references: Sequence[PskRef]) -> Answers:
        """Answer each; without an identity none can be opened."""
        try:
            identities = read_identities(self._path)
        except SecretUnavailable as error:
            return dict.fromkeys(references, error)
        return {reference: _opened(reference.sealed, identities) for reference in references}


def _opened(sealed: bytes, identities: Sequence[Identity]) -> Secret | SecretUnavailable:
    try:
        return decrypt(sealed, identities)
    except SecretUnavailable as error:
        return error


def decrypt(sealed: bytes, identities: Sequence[Identity]) -> Secret:
    """The key in an age file, armored or not, less one line end at its end, which editors add.

    Raises SecretUnavailable.
    """
    if len(sealed) > SEALED_FILE_BYTES:
        raise SecretUnavailable(f"the file has more than {SEALED_FILE_BYTES} bytes")
    try:
        content = bytes(pyrage.decrypt(sealed, identities))
    except pyrage.DecryptError as error:
        raise SecretUnavailable(
            f"the file cannot be decrypted: {error}",
            hint=f"add this identity's public key to {RECIPIENTS}, then run `tunnelwright secret rekey`",
        ) from None
    key = content.removesuffix(b"\n").removesuffix(b"\r")
    if not key:
        raise SecretUnavailable("the key in the file is empty")
    return Secret(key)


def encrypt(key: Secret, recipients: Sequence[Recipient]) -> bytes:
    """An armored age file. One line end at the end of a key is doubled, since reading takes one away."""
    content = key.reveal()
    ends = b"\n" if content.endswith((b"\n", b"\r")) else b""
    return bytes(pyrage.encrypt(content + ends, recipients, armored=True))


def read_identities(path: Path) -> list[Identity]:
    """What opens age files: a file of `AGE-SECRET-KEY-1…` lines as age-keygen(1) writes it, or an SSH private
    key without a passphrase. It is for its owner alone.

    Raises SecretUnavailable, which never quotes the file.
    """
    try:
        content = read_private(path).reveal()
    except SecretUnavailable as error:
        error.hint = (
            "create an identity with `tunnelwright secret init`, or name one with TUNNELWRIGHT_IDENTITY"
        )
        raise
    try:
        if content.startswith(_SSH_KEY):
            return [pyrage.ssh.Identity.from_buffer(content)]
        lines = [line.strip() for line in content.decode().splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (pyrage.IdentityError, UnicodeDecodeError):
        # Neither the reason nor the cause is shown: they may quote what they could not read.
        raise SecretUnavailable(
            f"{path} is neither an age identity nor an SSH key without a passphrase"
        ) from None
    if not found:
        raise SecretUnavailable(f"{path} has no identity")
    return list(found)


def create_identity(path: Path) -> str:
    """A new identity, in a file for its owner alone; the public key that belongs to it.

    Raises FileExistsError, and SecretUnavailable when it cannot be written.
    """
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    try:
        create_private(path, f"# public key: {public}\n{identity}\n".encode())
    except FileExistsError:
        raise
    except OSError as error:
        raise SecretUnavailable(f"cannot write {path}: {error.strerror}") from error
    return public


def public_keys(path: Path) -> list[str]:
    """The public keys of the age identities in a file; of an SSH key it is in its `.pub` file.

    Raises SecretUnavailable.
    """
    found = read_identities(path)
    return [str(item.to_public()) for item in found if isinstance(item, pyrage.x25519.Identity)]


def recipients_text(tree: Path) -> str:
    """The file of recipients as it is.

    Raises SecretUnavailable, also when it holds a private key: an identity has no place there; and for a
    link: what it leads to may be a key, and would be written into the tree with what is added to it.
    """
    path = tree / RECIPIENTS
    if path.is_symlink():
        raise SecretUnavailable(
            f"{path} is a symbolic link, which is not followed", hint="put the file itself there"
        )
    try:
        with path.open("rb") as file:
            content = file.read(PRIVATE_FILE_BYTES + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SecretUnavailable(
            f"{path}: {reason}",
            hint="it must list public keys, one in a line; `tunnelwright secret init` creates it",
        ) from error
    if len(content) > PRIVATE_FILE_BYTES:
        raise SecretUnavailable(f"{path} has more than {PRIVATE_FILE_BYTES} bytes")
    held = private_key(content)
    if held is not None:
        what, place = held
        line = content[:place].count(b"\n") + 1
        raise SecretUnavailable(
            f"{path}:{line}: {what}; recipients are public keys",
            hint="remove it and replace it: its readers can decrypt every key that is encrypted for it",
        )
    return text


def read_recipients(tree: Path) -> list[Recipient]:
    """To whom the keys of a folder are encrypted.

    Raises SecretUnavailable naming every line that is none.
    """
    path = tree / RECIPIENTS
    lines = recipients_text(tree).splitlines()
    found: list[Recipient] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        parse: Callable[[str], Recipient] = (
            pyrage.ssh.Recipient.from_str if word.startswith("ssh-") else pyrage.x25519.Recipient.from_str
        )
        try:
            found.append(parse(word))
        except pyrage.RecipientError:
            problems.append(f"{path}:{number}: not a public key")
    if problems:
        raise SecretUnavailable("; ".join(problems), hint="allowed: age1…, ssh-ed25519 …, ssh-rsa …")
    if not found:
        raise SecretUnavailable(
            f"{path} has no recipients", hint="run `tunnelwright secret init` to add yourself"
        )
    return found
