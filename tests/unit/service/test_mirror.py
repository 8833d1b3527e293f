"""Whose commits count, and what git says when it cannot."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import git
import pytest

from reconciler.model.errors import SourceUnavailable
from reconciler.service.mirror import CommitNotTrusted, Mirror
from tests.repositories import new_repository


@pytest.fixture
def repository(tmp_path: Path) -> git.Repo:
    found = new_repository(tmp_path / "remote")
    found.git.commit("--message", "unsigned", "--allow-empty")
    return found


def mirror_of(tmp_path: Path, remote: str = "", branch: str = "main") -> Mirror:
    return Mirror(tmp_path / "mirror.git", remote or str(tmp_path / "remote"), branch, "")


def ssh_key(folder: Path, name: str) -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def test_a_commit_signed_by_an_ssh_key_that_may(tmp_path: Path, repository: git.Repo) -> None:
    ours, theirs = ssh_key(tmp_path, "ours"), ssh_key(tmp_path, "theirs")
    signers = tmp_path / "signers"
    signers.write_text(f"tester@localhost {ours.with_suffix('.pub').read_text()}")
    mirror = mirror_of(tmp_path)
    with pytest.raises(CommitNotTrusted, match="is not signed by anyone who may"):
        mirror.check_signature(mirror.fetch(), signers, None)
    sign = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={ours}")
    repository.git.execute(["git", *sign, "commit", "-S", "--message", "signed", "--allow-empty"])
    mirror.check_signature(mirror.fetch(), signers, None)
    with pytest.raises(CommitNotTrusted):
        mirror.check_signature(mirror.head(), None, tmp_path)
    sign = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={theirs}")
    repository.git.execute(["git", *sign, "commit", "-S", "--message", "signed", "--allow-empty"])
    with pytest.raises(CommitNotTrusted):
        mirror.check_signature(mirror.fetch(), signers, None)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
def test_a_commit_signed_by_an_openpgp_key_that_may(tmp_path: Path, repository: git.Repo) -> None:
    home, strangers = tmp_path / "keys", tmp_path / "strangers"
    for folder in (home, strangers):
        folder.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
    try:
        subprocess.run(
            [*gpg, "--passphrase", "", "--quick-generate-key", "tester@localhost", "ed25519", "sign"],
            check=True,
            capture_output=True,
        )
        with repository.git.custom_environment(GNUPGHOME=str(home)):
            sign = ("-c", "user.signingKey=tester@localhost")
            repository.git.execute(["git", *sign, "commit", "-S", "--message", "signed", "--allow-empty"])
        mirror = mirror_of(tmp_path)
        mirror.check_signature(mirror.fetch(), None, home)
        with pytest.raises(CommitNotTrusted):
            mirror.check_signature(mirror.head(), None, strangers)
    finally:
        for folder in (home, strangers):
            subprocess.run(["gpgconf", "--homedir", str(folder), "--kill", "all"], check=True)


@pytest.mark.usefixtures("repository")
def test_what_cannot_be_fetched_is_said_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="branch other"):
        mirror_of(tmp_path, branch="other").fetch()
    with pytest.raises(SourceUnavailable) as caught:
        mirror_of(tmp_path, "http://me:PLANTED-PASSWORD@127.0.0.1:1/x.git").fetch()
    assert "127.0.0.1" in caught.value.message
    assert "PLANTED" not in f"{caught.value.message} {caught.value.__cause__.__class__}"


def test_a_look_at_the_remote_moves_nothing(tmp_path: Path, repository: git.Repo) -> None:
    mirror = mirror_of(tmp_path)
    first = str(repository.head.commit.hexsha)
    assert mirror.peek() == first
    assert mirror.head() == "", "nothing is followed yet"
    assert mirror.fetch() == first
    repository.git.commit("--message", "another", "--allow-empty")
    assert mirror.peek() == str(repository.head.commit.hexsha) != first
    assert mirror.head() == first
