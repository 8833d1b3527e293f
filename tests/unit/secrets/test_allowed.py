"""What documents may name, and what can be a key at all, wherever it comes from."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from reconciler.model.bounds import KEY_BYTES
from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret
from reconciler.secrets import FINGERPRINT_KEY, FOLDER, Allowed, SecretStore
from reconciler.secrets.age import create_identity, encrypt, read_identities
from reconciler.secrets.key_files import KeyFiles
from reconciler.secrets.store import IDENTITY
from tests.unit.secrets.sealed import SOPS, sops_encrypt

KEY = "PLANTED-3c55a1"


def private(path: Path, content: str | bytes = KEY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(store: SecretStore, *references: PskRef) -> SecretUnavailable:
    with pytest.raises(SecretUnavailable) as caught:
        store.keys(references)
    assert KEY not in f"{caught.value.message}{caught.value.hint}"
    return caught.value


@pytest.mark.parametrize("name", [IDENTITY, FINGERPRINT_KEY, "webhook.secret", "../keys/webhook.secret"])
def test_what_lies_beside_the_key_files_is_no_key(tmp_path: Path, name: str) -> None:
    private(tmp_path / "keys" / name)
    private(tmp_path / "keys" / FOLDER / "a.psk")
    refused(SecretStore(tmp_path / "keys", {}), PskRef("file", name))


def test_a_file_where_they_were_before_says_where_it_belongs(tmp_path: Path) -> None:
    private(tmp_path / "a.psk")
    error = refused(SecretStore(tmp_path, {}), PskRef("file", "a.psk"))
    assert error.hint == f"move {tmp_path}/a.psk to {tmp_path}/psk, the folder of key files"


def test_a_link_is_followed_inside_the_folder_alone(tmp_path: Path) -> None:
    """As Kubernetes mounts secrets: each name is a link to what lies in a folder beside it."""
    private(tmp_path / IDENTITY)
    private(tmp_path / FOLDER / "..data" / "a.psk")
    for name, target in {
        "a.psk": "..data/a.psk",
        "b.psk": f"../{IDENTITY}",
        "c.psk": "../../etc/passwd",
    }.items():
        (tmp_path / FOLDER / name).symlink_to(target)
    store = SecretStore(tmp_path, {})
    assert store.keys([PskRef("file", "a.psk")])[PskRef("file", "a.psk")].reveal() == KEY.encode()
    error = refused(store, PskRef("file", "b.psk"), PskRef("file", "c.psk"))
    assert error.message.count("leads out of its folder") == 2


def test_another_folder_of_key_files_keeps_what_is_the_controllers_own(tmp_path: Path) -> None:
    private(tmp_path / "a.psk")
    own = [private(tmp_path / FINGERPRINT_KEY), private(tmp_path / "me.txt")]
    environment = {"TUNNELWRIGHT_KEYS__FOLDER": str(tmp_path), "TUNNELWRIGHT_IDENTITY": str(own[1])}
    store = SecretStore(tmp_path, environment)
    assert store.keys([PskRef("file", "a.psk")])
    error = refused(store, *(PskRef("file", path.name) for path in own))
    assert error.message.count("is the controller's own") == 2


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    os.mkfifo(tmp_path / FOLDER / "a.psk", 0o600)
    (tmp_path / FOLDER / "b.psk").mkdir()
    message = refused(SecretStore(tmp_path, {}), PskRef("file", "a.psk"), PskRef("file", "b.psk")).message
    assert "a.psk is not a file" in message
    assert "b.psk: Is a directory" in message


@pytest.mark.parametrize(
    "name", ["GITHUB_TOKEN", "VAULT_TOKEN", "TUNNELWRIGHT_KEYS__FOLDER", "PATH", "PSK_A_B"]
)
def test_a_variable_outside_of_the_namespace_is_not_read(tmp_path: Path, name: str) -> None:
    environment = {name: KEY, "TUNNELWRIGHT_KEY_A": KEY}
    assert SecretStore(tmp_path, environment).keys([PskRef("env", "TUNNELWRIGHT_KEY_A")])
    error = refused(SecretStore(tmp_path, environment), PskRef("env", name))
    assert "documents may not name this variable" in error.message
    assert "keys.variables" in error.hint


def test_the_operator_allows_others(tmp_path: Path) -> None:
    environment = {"PSK_A_B": KEY, "SITE_7": KEY, "SITED": KEY, "PSK_A_BC": KEY}
    allowed = [PskRef("env", "PSK_A_B"), PskRef("env", "SITE_7")]
    others = [PskRef("env", "SITED"), PskRef("env", "PSK_A_BC")]
    said = "PSK_A_B, SITE_*"
    for store in (
        SecretStore(tmp_path, environment, Allowed.said(None, said, "", "")),
        SecretStore(tmp_path, {**environment, "TUNNELWRIGHT_KEYS__VARIABLES": said}),
    ):
        assert set(store.keys(allowed)) == set(allowed)
        assert refused(store, *others).message.count("may not name") == 2
    with pytest.raises(SecretUnavailable, match="TUNNELWRIGHT_KEYS__VARIABLES is not a list"):
        SecretStore(tmp_path, {"TUNNELWRIGHT_KEYS__VARIABLES": "*"})


NO_KEYS = {
    "the private key of an age identity": f"# {KEY}\nAGE-SECRET-KEY-1{'Q' * 58}",
    "a private key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY}\n",
    "a token of GitHub": f"ghp_{'a' * 36}",
    "a token of GitLab": f"glpat-{'a' * 20}",
    "a token of Vault": f"hvs.{'a' * 24}",
    "a JSON web token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
    "more than one line": f"{KEY}\n{KEY}",
    "at most 65535": KEY + "x" * KEY_BYTES,
}


@pytest.mark.parametrize("source", ["file", "env", "age", "sops"])
@pytest.mark.parametrize("what", NO_KEYS)
def test_what_can_be_no_key_is_refused_wherever_it_comes_from(tmp_path: Path, what: str, source: str) -> None:
    content = NO_KEYS[what]
    environment = {"PATH": str(SOPS.parent), "TUNNELWRIGHT_KEY_A": content}
    public = create_identity(tmp_path / "store" / IDENTITY)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "age.recipients").write_text(public)
    match source:
        case "file":
            private(tmp_path / "store" / FOLDER / "a.psk", content)
            reference = PskRef("file", "a.psk")
        case "env":
            reference = PskRef("env", "TUNNELWRIGHT_KEY_A")
        case "age":
            to = [identity.to_public() for identity in read_identities(tmp_path / "store" / IDENTITY)]
            reference = PskRef("age", "a.age", sealed=encrypt(Secret(content.encode()), to))
        case _:
            path = tmp_path / "a.sops.yaml"
            path.write_text("a: |\n" + "".join(f"  {line}\n" for line in content.splitlines()))
            sops_encrypt(path, public)
            reference = PskRef("sops", path.name, "a", sealed=path.read_bytes())
    error = refused(SecretStore(tmp_path / "store", environment), reference)
    assert what in error.message or (what.startswith("a ") and "more than one line" in error.message)


@pytest.mark.parametrize("what", NO_KEYS)
def test_what_can_be_no_key_is_not_encrypted_or_kept(tmp_path: Path, what: str) -> None:
    (tmp_path / "tree").mkdir()
    files = KeyFiles(tmp_path / "tree", tmp_path / IDENTITY)
    files.init()
    with pytest.raises(SecretUnavailable, match=what):
        files.set("a.age", Secret(NO_KEYS[what].encode()))
    with pytest.raises(SecretUnavailable, match=what):
        SecretStore(tmp_path, {}).add("a.psk", Secret(NO_KEYS[what].encode()))
    assert not (tmp_path / FOLDER).exists()


def test_a_key_of_the_greatest_length_is_one(tmp_path: Path) -> None:
    private(tmp_path / FOLDER / "a.psk", "x" * KEY_BYTES + "\n")
    assert (
        len(SecretStore(tmp_path, {}).keys([PskRef("file", "a.psk")])[PskRef("file", "a.psk")]) == KEY_BYTES
    )


@pytest.mark.parametrize("kind", ["age", "ssh"])
def test_a_private_key_among_the_recipients_is_refused_and_not_quoted(tmp_path: Path, kind: str) -> None:
    (tmp_path / "tree").mkdir()
    files = KeyFiles(tmp_path / "tree", tmp_path / IDENTITY)
    files.init()
    lines = (tmp_path / IDENTITY).read_text()
    if kind == "ssh":
        path = tmp_path / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        lines = f"# mine\n{path.read_text()}"
    (tmp_path / "tree" / "age.recipients").write_text(lines)
    for action in (files.init, files.rekey, lambda: files.set("a.age", Secret(KEY.encode() * 3))):
        with pytest.raises(SecretUnavailable, match=r"age\.recipients:2: .*private key") as caught:
            action()
        assert not any(line in str(caught.value) for line in lines.splitlines()[1:])
