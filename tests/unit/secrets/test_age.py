from __future__ import annotations

import subprocess
from pathlib import Path

import pyrage
import pytest

from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret
from reconciler.secrets import SecretStore
from reconciler.secrets.age import RECIPIENTS, create_identity, decrypt, encrypt, read_recipients
from reconciler.secrets.store import IDENTITY

KEY = Secret(b"PLANTED-0f4c")


def sealed(name: str, key: Secret, recipient: str) -> PskRef:
    return PskRef("age", name, sealed=encrypt(key, [pyrage.x25519.Recipient.from_str(recipient)]))


def test_the_identity_of_the_folder_opens_what_is_encrypted_to_it(tmp_path: Path) -> None:
    public = create_identity(tmp_path / IDENTITY)
    reference = sealed("a.age", KEY, public)
    assert SecretStore(tmp_path, {}).keys([reference]) == {reference: KEY}
    assert (tmp_path / IDENTITY).stat().st_mode & 0o777 == 0o600


def test_the_environment_names_an_identity_that_is_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "else" / "where.txt"
    reference = sealed("a.age", KEY, create_identity(elsewhere))
    assert SecretStore(tmp_path, {"TUNNELWRIGHT_IDENTITY": str(elsewhere)}).keys([reference])
    with pytest.raises(SecretUnavailable, match=IDENTITY) as caught:
        SecretStore(tmp_path, {}).keys([reference])
    assert "secret init" in caught.value.hint


def test_an_ssh_key_is_an_identity(tmp_path: Path) -> None:
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    (tmp_path / RECIPIENTS).write_text(f"# the controller\n\n{path.with_suffix('.pub').read_text()}")
    reference = PskRef("age", "a.age", sealed=encrypt(KEY, read_recipients(tmp_path)))
    store = SecretStore(tmp_path, {"TUNNELWRIGHT_IDENTITY": str(path)})
    assert store.keys([reference]) == {reference: KEY}


@pytest.mark.parametrize("key", [b"a", b" a", b"\xff\x00 "])
def test_any_bytes_come_back(tmp_path: Path, key: bytes) -> None:
    public = create_identity(tmp_path / IDENTITY)
    reference = sealed("a.age", Secret(key), public)
    assert SecretStore(tmp_path, {}).keys([reference])[reference].reveal() == key


def test_a_file_that_an_editor_made_loses_its_line_end() -> None:
    identity = pyrage.x25519.Identity.generate()
    binary = pyrage.encrypt(b"key\n", [identity.to_public()])
    assert decrypt(binary, [identity]).reveal() == b"key"


def test_all_that_cannot_be_opened_is_named_at_once(tmp_path: Path) -> None:
    create_identity(tmp_path / IDENTITY)
    other = create_identity(tmp_path / "other")
    whole = sealed("whole.age", KEY, other)
    wanted = [
        whole,
        PskRef("age", "cut.age", sealed=whole.sealed[:-80]),
        PskRef("age", "absent.age"),
        PskRef("env", "TUNNELWRIGHT_KEY_NOT_SET"),
    ]
    with pytest.raises(SecretUnavailable) as caught:
        SecretStore(tmp_path, {}).keys(wanted)
    assert all(str(reference) in caught.value.message for reference in wanted)
    assert RECIPIENTS in caught.value.hint


@pytest.mark.parametrize(
    "content", ["AGE-SECRET-KEY-1PLANTED", "PLANTED", "-----BEGIN PLANTED", "# nothing\n"]
)
def test_a_broken_identity_is_not_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / IDENTITY
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(SecretUnavailable, match=str(path)) as caught:
        SecretStore(tmp_path, {}).keys([PskRef("age", "a.age")])
    assert "PLANTED" not in f"{caught.value}{caught.value.hint}{caught.value.__cause__}"


def test_recipients_are_checked_line_by_line(tmp_path: Path) -> None:
    (tmp_path / RECIPIENTS).write_text("age1nonsense\n# fine\nssh-ed25519 AAAA\n")
    with pytest.raises(SecretUnavailable) as caught:
        read_recipients(tmp_path)
    assert f"{RECIPIENTS}:1:" in caught.value.message
    assert f"{RECIPIENTS}:3:" in caught.value.message
    (tmp_path / RECIPIENTS).write_text("# none\n")
    with pytest.raises(SecretUnavailable, match="no recipient"):
        read_recipients(tmp_path)
