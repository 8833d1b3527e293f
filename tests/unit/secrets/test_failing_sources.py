"""A source of keys that hangs, floods or answers nonsense: an error that says so, within its bounds."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.model.bounds import PRIVATE_FILE_BYTES, SEALED_FILE_BYTES
from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.secrets import FOLDER, Allowed, SecretStore, sops, vault
from reconciler.secrets.age import create_identity
from reconciler.secrets.store import IDENTITY
from tests.unit.secrets.sealed import SOPS, sops_encrypt

SEALED = b"a: ENC[x]\nsops:\n  age: [{recipient: x, enc: y}]\n"
REFERENCE = PskRef("sops", "a.sops.yaml", "a", sealed=SEALED)
ASKED = PskRef("vault", "secret/tunnelwright/a--b", "psk")


def program(folder: Path, script: str) -> dict[str, str]:
    """An environment in which `sops` is this shell script."""
    path = folder / "bin" / "sops"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:/usr/bin:/bin"}


def reason(store: SecretStore, reference: PskRef) -> str:
    with pytest.raises(SecretUnavailable) as caught:
        store.keys([reference])
    return f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 600", "given up after 1 s in total"),
        ("exec cat /dev/zero", "wrote more than 4,194,304 bytes"),
        ("echo '[1]'", "not a mapping"),
        ("printf '{\"a\": 1'", "not a mapping"),
        ("printf '\\377\\376'", "not a mapping"),
        ("head -c 200000 /dev/zero | tr '\\0' '['", "not a mapping"),
        ('echo \'{"a": ["PLANTED"]}\'', "not a non-empty text"),
        ("kill -9 $$", "sops ended with -9"),
    ],
)
def test_what_sops_does_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr(sops, "SOPS_SECONDS", 1.0 if "given up" in said else 60.0)
    text = reason(SecretStore(tmp_path, program(tmp_path, script)), REFERENCE)
    assert said in text
    assert "PLANTED" not in text


def test_files_that_hang_have_one_time_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sops, "SOPS_SECONDS_IN_ALL", 1.0)
    store = SecretStore(tmp_path, program(tmp_path, f"echo x >> {tmp_path}/runs; sleep 600"))
    wanted = [PskRef("sops", f"{number}.sops.yaml", "a", sealed=SEALED) for number in range(5)]
    with pytest.raises(SecretUnavailable) as caught:
        store.keys(wanted)
    assert caught.value.message.count("took more than 1 s in total") == 4
    assert (tmp_path / "runs").read_text() == "x\n"


def test_sops_gets_nothing_of_the_environment_that_it_does_not_need(tmp_path: Path) -> None:
    secret = {
        "GITHUB_TOKEN": "g",
        "VAULT_TOKEN": "v",
        "AWS_SECRET_ACCESS_KEY": "w",
        "TUNNELWRIGHT_KEY_A": "k",
    }
    environment = {**program(tmp_path, f"env > {tmp_path}/seen; echo '{{}}'"), **secret, "HOME": "/x"}
    environment["SOPS_AGE_KEY_FILE"] = "identity"
    for allowed, seen in (
        (Allowed(), set()),
        (Allowed(sops_services=frozenset({"hc_vault"})), {"VAULT_TOKEN"}),
    ):
        reason(SecretStore(tmp_path, environment, allowed), REFERENCE)
        got = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
        assert got["HOME"] == "/x"
        assert got["SOPS_AGE_KEY_FILE"] == str(Path.cwd() / "identity")
        assert secret.keys() & got.keys() == seen


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ("hc_vault: [{vault_address: 'http://192.0.2.1', enc: x}]", "'hc_vault'"),
        ("kms: [{arn: x}]", "'kms'"),
        ("pgp: [{fp: x}]", "'pgp'"),
        ("key_groups: [{age: [{recipient: x}]}, {azure_kv: [{vaultUrl: x}]}]", "'azure_kv', 'key_groups'"),
        ("cloud_of_tomorrow: {a: b}", "'cloud_of_tomorrow'"),
    ],
)
def test_what_a_file_asks_for_needs_the_operators_permission(
    tmp_path: Path, metadata: str, named: str
) -> None:
    sealed = SEALED + f"  {metadata}\n".encode()
    environment = program(tmp_path, f'echo x >> {tmp_path}/runs; echo \'{{"a": "PLANTED"}}\'')
    reference = PskRef("sops", "a.sops.yaml", "a", sealed=sealed)
    text = reason(SecretStore(tmp_path, environment), reference)
    assert f"to decrypt the file, sops would use {named}" in text
    assert "keys.sopsServices" in text
    assert not (tmp_path / "runs").exists(), "sops was not run"
    allowed = named.replace("'", "")
    store = SecretStore(tmp_path, {**environment, "TUNNELWRIGHT_KEYS__SOPS_SERVICES": allowed})
    assert store.keys([reference])[reference].reveal() == b"PLANTED"


def test_what_sops_itself_writes_for_age_asks_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sops.yaml"
    path.write_text("a: PLANTED\n")
    sops_encrypt(path, create_identity(tmp_path / IDENTITY))
    reference = PskRef("sops", path.name, "a", sealed=path.read_bytes())
    assert SecretStore(tmp_path, {"PATH": str(SOPS.parent)}).keys([reference])


def test_files_have_a_size(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    path = tmp_path / FOLDER / "a.psk"
    path.touch(mode=0o600)
    os.truncate(path, 2**40)
    create_identity(tmp_path / IDENTITY)
    sealed = b"age-encryption.org/v1\n" + bytes(SEALED_FILE_BYTES)
    environment = program(tmp_path, "echo '{}'")
    for reference, most in (
        (PskRef("file", "a.psk"), PRIVATE_FILE_BYTES),
        (PskRef("age", "a.age", sealed=sealed), SEALED_FILE_BYTES),
        (PskRef("sops", "a.sops.yaml", "a", sealed=SEALED + b"#" * SEALED_FILE_BYTES), SEALED_FILE_BYTES),
    ):
        assert f"has more than {most} bytes" in reason(SecretStore(tmp_path, environment), reference)


@contextmanager
def answering(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server on the loopback that speaks as a broken Vault does, until it is left."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(65_536)
                        speak(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def slowly(content: bytes) -> Callable[[socket.socket], None]:
    """Say it ten times a second, for ever: no silence is as long as the time limit of `requests`."""

    def speak(connection: socket.socket) -> None:
        pause = threading.Event()
        while not pause.wait(0.1):
            connection.sendall(content)

    return speak


def endless(head: bytes, content: bytes) -> Callable[[socket.socket], None]:
    """Say as much as is taken."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(content)

    return speak


@pytest.mark.parametrize(
    ("speak", "said"),
    [
        (slowly(b" "), "Vault does not answer"),
        (lambda connection: (connection.sendall(HEAD), slowly(b"X")(connection)), "Vault does not answer"),
        (
            lambda connection: (connection.sendall(HEAD + b"\r\n"), slowly(b" ")(connection)),
            "Vault does not answer",
        ),
        (endless(HEAD + b"\r\n", b" " * 65_536), "Vault's answer has more than 4,194,304 bytes"),
        (endless(HEAD, b"A: b\r\n" * 1000), "Vault does not answer"),
        (lambda connection: connection.sendall(b"\x00\xff" * 50), "Vault does not answer"),
        (lambda connection: connection.sendall(HEAD + b"\r\n" + b"[" * 200_000), "not from a version 2"),
        (lambda connection: connection.sendall(HEAD + b"\r\n" + b"9" * 5_000), "not from a version 2"),
        (
            lambda connection: connection.sendall(HEAD + b"Content-Encoding: gzip\r\n\r\nno"),
            "does not answer",
        ),
    ],
    ids=[
        "status",
        "headers",
        "body",
        "endless body",
        "endless headers",
        "no HTTP",
        "deep",
        "digits",
        "no gzip",
    ],
)
def test_what_vault_says_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speak: Callable[[socket.socket], None], said: str
) -> None:
    monkeypatch.setattr(vault, "VAULT_SECONDS_IN_ALL", 1.0 if said == "Vault does not answer" else 60.0)
    with answering(speak) as address:
        assert said in reason(SecretStore(tmp_path, {"VAULT_ADDR": address, "VAULT_TOKEN": "t"}), ASKED)


@pytest.mark.parametrize(
    "setting",
    [
        {"VAULT_ADDR": "http://["},
        {"VAULT_ADDR": "http://127.0.0.1:99999"},
        {"VAULT_ADDR": "https://127.0.0.1:1", "VAULT_CACERT": "/nowhere"},
        {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_NAMESPACE": "\u4e16"},
        {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN_FILE": "a\0b"},
    ],
    ids=" ".join,
)
def test_a_source_that_fails_costs_its_own_keys_alone(tmp_path: Path, setting: dict[str, str]) -> None:
    """The last one in an unforeseen way."""
    environment = {**setting, "VAULT_TOKEN": "t", "TUNNELWRIGHT_KEY_A": "k"}
    with pytest.raises(SecretUnavailable) as caught:
        SecretStore(tmp_path, environment).keys([ASKED, PskRef("env", "TUNNELWRIGHT_KEY_A")])
    assert "vault:secret/tunnelwright/a--b#psk" in caught.value.message
    assert "TUNNELWRIGHT_KEY_A" not in caught.value.message
    assert ("unforeseen" in caught.value.message) is ("VAULT_TOKEN_FILE" in setting)
