"""Commits signed by real keys, and repositories to make them in."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import git


def ssh_key(folder: Path, name: str) -> Path:
    """A new SSH key; its public half has the suffix `.pub`."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def allowed(folder: Path, *lines: tuple[str, Path]) -> Path:
    """A file of allowed signers: options and key of each line."""
    path = folder / "signers"
    path.write_text(
        "".join(f"tester@localhost {options} {key.with_suffix('.pub').read_text()}" for options, key in lines)
    )
    return path


def commit(repository: git.Repo, message: str, *, key: Path | None = None, date: str = "") -> str:
    """An empty commit, signed by an SSH key where one is named, as of a date; its id."""
    command = ["git", "commit", "--quiet", "--allow-empty", "--message", message]
    if key is not None:
        command[1:1] = ["-c", "gpg.format=ssh", "-c", f"user.signingKey={key}"]
        command.append("--gpg-sign")
    environment = {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date} if date else {}
    with repository.git.custom_environment(**environment):
        repository.git.execute(command)
    return str(repository.git.rev_parse("HEAD"))


@dataclass(frozen=True, slots=True)
class Keyring:
    """A GnuPG home."""

    home: Path

    def gpg(self, *words: str, stdin: str = "", at: str = "") -> str:
        """Run gpg there, with its clock at a time of the form 20200101T000000."""
        clock = [f"--faked-system-time={at}!"] if at else []
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
        done = subprocess.run(
            [*command, *clock, "--passphrase", "", *words],
            check=True, capture_output=True, text=True, input=stdin,
        )  # fmt: skip
        return done.stdout

    def make(self, user: str, expires: str = "never", at: str = "") -> str:
        """A new key that signs; its fingerprint."""
        self.gpg("--quick-generate-key", user, "ed25519", "sign", expires, at=at)
        lines = self.gpg("--list-keys", "--with-colons", f"={user}").splitlines()
        return next(line for line in lines if line.startswith("fpr:")).split(":")[9]

    def commit(self, repository: git.Repo, user: str, *, at: str = "", expires: str = "") -> str:
        """A commit signed by the key of a user."""
        program = self.home / "sign"
        clock = f"--faked-system-time={at}!" if at else ""
        until = f"--default-sig-expire {expires}" if expires else ""
        program.write_text(f'#!/bin/sh\nexec gpg --homedir {self.home} --batch {clock} {until} "$@"\n')
        program.chmod(0o700)
        sign = [
            "git",
            "-c",
            f"gpg.program={program}",
            "-c",
            f"user.signingKey={user}",
            "commit",
            "--quiet",
            "-S",
        ]
        repository.git.execute([*sign, "--allow-empty", "--message", "signed"])
        return str(repository.git.rev_parse("HEAD"))


@contextmanager
def keyring(folder: Path) -> Iterator[Keyring]:
    """A new GnuPG home, whose agent ends with the context."""
    folder.mkdir(mode=0o700)
    try:
        yield Keyring(folder)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(folder), "--kill", "all"], check=True)


def has_gpg() -> bool:
    """Whether GnuPG is installed."""
    return shutil.which("gpg") is not None
