"""Who has signed a commit: real keys, real commits, judged now and not at the date that a commit bears."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import git
import pytest

from reconciler.load.git import opened
from reconciler.service.signatures import CommitNotTrusted, Signers, split
from tests.repositories import new_repository
from tests.signing import allowed, commit, has_gpg, keyring, ssh_key

NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)
LAST_YEAR = f"{NOW - timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}"
with_gpg = pytest.mark.skipif(not has_gpg(), reason="gpg is not installed")


@pytest.fixture
def repository(tmp_path: Path) -> git.Repo:
    return new_repository(tmp_path / "work")


def raw(repository: git.Repo, rev: str = "HEAD") -> bytes:
    return opened(Path(repository.working_dir)).ask("cat-file", "commit", rev)


def test_a_key_that_may(tmp_path: Path, repository: git.Repo) -> None:
    ours, theirs = ssh_key(tmp_path, "ours"), ssh_key(tmp_path, "theirs")
    signers = Signers(allowed(tmp_path, ('namespaces="git"', ours)))
    commit(repository, "unsigned")
    with pytest.raises(CommitNotTrusted, match="it has no signature"):
        signers.check(raw(repository), NOW)
    commit(repository, "signed", key=ours)
    assert signers.check(raw(repository), NOW).startswith("tester@localhost (SHA256:")
    with pytest.raises(CommitNotTrusted, match="it is signed by an SSH key, and none is allowed"):
        Signers(keyring=tmp_path).check(raw(repository), NOW)
    commit(repository, "signed", key=theirs)
    with pytest.raises(CommitNotTrusted):
        signers.check(raw(repository), NOW)


def test_a_signature_is_of_one_commit(tmp_path: Path, repository: git.Repo) -> None:
    key = ssh_key(tmp_path, "ours")
    signers = Signers(allowed(tmp_path, ("", key)))
    commit(repository, "signed", key=key)
    content = raw(repository)
    for other in (
        content.replace(b"\n\nsigned", b"\n\nchanged"),
        content.replace(b"tree ", b"tree 0"),
        content.replace(b"\ngpgsig ", b"\nencoding x\ngpgsig "),
        content.replace(b"\n\nsigned", b"\ngpgsig x\n\nsigned"),
        content.replace(b"\n\nsigned", b"\ngpgsig-sha256 x\n y\n\nsigned"),
    ):
        assert other != content
        with pytest.raises(CommitNotTrusted):
            signers.check(other, NOW)


def test_a_commit_is_taken_apart_as_git_does(tmp_path: Path, repository: git.Repo) -> None:
    """What ssh-keygen signed of git's own payload fits ours; words in a message are no header."""
    key = ssh_key(tmp_path, "ours")
    commit(repository, "subject\n\ngpgsig not a header\n more", key=key)
    payload, signature = split(raw(repository))
    assert b"gpgsig not a header" in payload
    assert signature.startswith(b"-----BEGIN SSH SIGNATURE-----\n")
    assert signature.endswith(b"-----END SSH SIGNATURE-----\n")
    assert Signers(allowed(tmp_path, ("", key))).check(raw(repository), NOW)
    assert split(b"tree x\nauthor y\n\nmessage") == (b"tree x\nauthor y\n\nmessage", b"")


def test_a_signer_whose_time_is_over_cannot_set_the_date_back(tmp_path: Path, repository: git.Repo) -> None:
    key = ssh_key(tmp_path, "ours")
    signers = Signers(allowed(tmp_path, (f'valid-before="{YESTERDAY:%Y%m%d}"', key)))
    commit(repository, "set back", key=key, date=LAST_YEAR)
    verify = ["git", "-c", f"gpg.ssh.allowedSignersFile={signers.allowed}", "verify-commit", "HEAD"]
    assert (
        subprocess.run(verify, cwd=repository.working_dir, check=False, capture_output=True).returncode == 0
    )
    with pytest.raises(CommitNotTrusted):
        signers.check(raw(repository), NOW)
    assert signers.check(raw(repository), NOW - timedelta(days=30))


def test_a_certificate_that_has_expired_does_not_count(tmp_path: Path, repository: git.Repo) -> None:
    authority, key = ssh_key(tmp_path, "ca"), ssh_key(tmp_path, "ours")
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", "-n", "tester@localhost"]
    until = f"{YESTERDAY - timedelta(days=500):%Y%m%d}:{YESTERDAY:%Y%m%d}"
    subprocess.run([*sign, "-V", until, str(key.with_suffix(".pub"))], check=True)
    signers = Signers(allowed(tmp_path, ("cert-authority", authority)))
    certificate = key.with_name("ours-cert.pub")
    # The private half is taken from the file beside it.
    certificate.with_suffix("").write_bytes(key.read_bytes())
    certificate.with_suffix("").chmod(0o600)
    commit(repository, "set back", key=certificate.with_suffix(""), date=LAST_YEAR)
    with pytest.raises(CommitNotTrusted):
        signers.check(raw(repository), NOW)
    assert signers.check(raw(repository), NOW - timedelta(days=30))


def test_a_revoked_key_does_not_count(tmp_path: Path, repository: git.Repo) -> None:
    ours, other = ssh_key(tmp_path, "ours"), ssh_key(tmp_path, "other")
    file = allowed(tmp_path, ("", ours), ("", other))
    revoked = tmp_path / "revoked"
    revoked.write_text(ours.with_suffix(".pub").read_text())
    commit(repository, "one", key=ours)
    assert Signers(file).check(raw(repository), NOW)
    with pytest.raises(CommitNotTrusted, match="revoked"):
        Signers(file, revoked).check(raw(repository), NOW)
    commit(repository, "two", key=other)
    assert Signers(file, revoked).check(raw(repository), NOW)
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(revoked), str(other.with_suffix(".pub"))], check=True)
    with pytest.raises(CommitNotTrusted, match="revoked"):
        Signers(file, revoked).check(raw(repository), NOW)


@with_gpg
def test_openpgp_keys_that_may_and_may_no_more(tmp_path: Path, repository: git.Repo) -> None:
    with keyring(tmp_path / "keys") as keys, keyring(tmp_path / "strangers") as strangers:
        signers = Signers(keyring=keys.home)
        fingerprint = keys.make("good@localhost")
        keys.commit(repository, "good@localhost")
        assert signers.check(raw(repository), NOW) == f"OpenPGP key {fingerprint}"
        with pytest.raises(CommitNotTrusted):
            Signers(keyring=strangers.home).check(raw(repository), NOW)
        with pytest.raises(CommitNotTrusted, match="it is signed by an OpenPGP key, and none is allowed"):
            Signers(tmp_path / "signers").check(raw(repository), NOW)
        changed = raw(repository).replace(b"\n\nsigned", b"\n\nchanged")
        with pytest.raises(CommitNotTrusted, match="the signature does not match"):
            signers.check(changed, NOW)

        keys.make("old@localhost", "1d", at="20200101T000000")
        keys.commit(repository, "old@localhost", at="20200101T010000")
        with pytest.raises(CommitNotTrusted, match="the key has expired"):
            signers.check(raw(repository), NOW)

        keys.commit(repository, "good@localhost")
        entry = (keys.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        keys.gpg("--import", stdin=entry.replace(":-----BEGIN", "-----BEGIN"))
        with pytest.raises(CommitNotTrusted, match="the key was revoked"):
            signers.check(raw(repository), NOW)


@with_gpg
def test_an_openpgp_signature_that_has_expired_does_not_count(tmp_path: Path, repository: git.Repo) -> None:
    with keyring(tmp_path / "keys") as keys:
        keys.make("good@localhost", at="20200101T000000")
        keys.commit(repository, "good@localhost", at="20200102T000000", expires="2d")
        with pytest.raises(CommitNotTrusted, match="the signature has expired"):
            Signers(keyring=keys.home).check(raw(repository), NOW)
