"""The signer of a commit, judged now: an expired or revoked key or certificate does not count,
whatever the date of the commit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler.doors.processes import ChildFailed, decoded, finished, minimal
from reconciler.model.bounds import GIT_ANSWER, SIGNER_NAMES, VERIFY_SECONDS
from reconciler.model.errors import TunnelwrightError

_HEADER = b"gpgsig "
_SSH = b"-----BEGIN SSH SIGNATURE-----"
_OPENPGP = b"-----BEGIN PGP SIGNATURE-----"
_STATUS = "[GNUPG:] "
_VERDICTS = frozenset({"GOODSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "BADSIG", "ERRSIG"})
"""Of each signature gpg writes exactly one of them (GnuPG, doc/DETAILS, "GOODSIG")."""
_WHY = {
    "EXPSIG": "the signature has expired",
    "EXPKEYSIG": "the key has expired",
    "REVKEYSIG": "the key was revoked",
    "BADSIG": "the signature does not match",
    "ERRSIG": "it is not from a key of the keyring",
}


class CommitNotTrusted(TunnelwrightError):
    """The commit has no accepted signature, or does not follow from what was accepted before."""


@dataclass(frozen=True, slots=True)
class Signers:
    """Who may sign: SSH keys of `allowed` (ssh-keygen(1), "ALLOWED SIGNERS") but for those of `revoked`, and
    OpenPGP keys of the GnuPG home `keyring`."""

    allowed: Path | None = None
    revoked: Path | None = None
    keyring: Path | None = None

    def check(self, commit: bytes, now: datetime) -> str:
        """Who has signed a commit, given as Git keeps it.

        Raises CommitNotTrusted with the reason when no signer who may has signed it at the time `now`.
        """
        payload, signature = split(commit)
        if signature.startswith(_SSH):
            if self.allowed is None:
                raise CommitNotTrusted("it is signed by an SSH key, and none is allowed")
            return self._check_ssh(payload, signature, now, self.allowed)
        if signature.startswith(_OPENPGP):
            if self.keyring is None:
                raise CommitNotTrusted("it is signed by an OpenPGP key, and none is allowed")
            return _check_openpgp(payload, signature, self.keyring)
        raise CommitNotTrusted(
            "its signature is of a kind that is not supported" if signature else "it has no signature"
        )

    def _check_ssh(self, payload: bytes, signature: bytes, now: datetime, allowed: Path) -> str:
        at = f"-Overify-time={now.astimezone(UTC):%Y%m%d%H%M%S}"
        with _file(signature) as file:
            ask = ["ssh-keygen", "-Y"]
            found, words = _run([*ask, "find-principals", "-f", str(allowed), "-s", file, at], b"")
            for principal in filter(None, found.split("\n")[:SIGNER_NAMES]):
                verify = [*ask, "verify", "-n", "git", "-f", str(allowed), "-I", principal, "-s", file, at]
                if self.revoked is not None:
                    verify += ["-r", str(self.revoked)]
                said, words = _run(verify, payload)
                if said.startswith('Good "git" signature for '):
                    return decoded(os.fsencode(f"{principal} ({said.split()[-1]})"))
        # Of a revoked key ssh-keygen says nothing.
        raise CommitNotTrusted(words or "the key was revoked")


def split(commit: bytes) -> tuple[bytes, bytes]:
    """A commit -> what is signed, and the signature (empty for none), as Git takes it apart (`commit.c`,
    `parse_buffer_signed_by_header`).

    Raises CommitNotTrusted for more than one signature, of which only one would count.
    """
    head, end, message = commit.partition(b"\n\n")
    signed: list[bytes] = []
    signature: list[bytes] = []
    headers = 0
    inside = False
    for line in head.split(b"\n"):
        if line.startswith(b"gpgsig"):
            inside = line.startswith(_HEADER)
            headers += 1
            signature.append(line.removeprefix(_HEADER))
        elif inside and line.startswith(b" "):
            signature.append(line[1:])
        else:
            inside = False
            signed.append(line)
    if headers > 1:
        raise CommitNotTrusted("it has more than one signature")
    return b"\n".join(signed) + end + message, b"\n".join(signature) + b"\n" if signature else b""


def _check_openpgp(payload: bytes, signature: bytes, keyring: Path) -> str:
    with _file(signature) as file:
        # Keys come from the operator: none is fetched, and none is taken from the signature itself.
        options = (
            "--no-auto-key-retrieve",
            "--no-auto-key-import",
            "--disable-dirmngr",
            "--trust-model=always",
        )
        command = ["gpg", "--batch", "--no-tty", f"--homedir={keyring}", *options, "--status-fd=1"]
        said, words = _run([*command, "--verify", file, "-"], payload)
    lines = [line.removeprefix(_STATUS).split(" ") for line in said.splitlines() if line.startswith(_STATUS)]
    verdicts = [line for line in lines if line[0] in _VERDICTS]
    valid = [line for line in lines if line[0] == "VALIDSIG" and len(line) > 1]
    if len(verdicts) != 1:
        raise CommitNotTrusted(words or "gpg does not say who signed it")
    if verdicts[0][0] != "GOODSIG" or len(valid) != 1:
        raise CommitNotTrusted(_WHY.get(verdicts[0][0], "gpg does not say whether it is valid"))
    return f"OpenPGP key {valid[0][1]}"


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name


def _run(command: list[str], stdin: bytes) -> tuple[str, str]:
    """What a command wrote, and the last line of what it said beside that.

    Raises CommitNotTrusted when it cannot be run or does not end.
    """
    environment = minimal() | {"TZ": "UTC"}
    try:
        done = finished(command, stdin, environment, seconds=VERIFY_SECONDS, most=GIT_ANSWER)
        return os.fsdecode(done.output), done.said
    except ChildFailed as error:
        raise CommitNotTrusted(error.message) from error
