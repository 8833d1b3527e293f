"""Against a server on the loopback that answers as Vault's documentation of its HTTP interface says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.secrets import Allowed, SecretStore

TOKEN = "hvs.PLANTED-token"
PATH = "/v1/secret/data/tunnelwright/a--b"
REFERENCE = PskRef("vault", "secret/tunnelwright/a--b", "psk")


@dataclass
class Served:
    """What the server answers by path, and what it was asked."""

    answers: dict[str, tuple[int, object]] = field(default_factory=dict)
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def vault() -> Iterator[Served]:
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("X-Vault-Token")
            served.asked.append((self.path, token, self.headers.get("X-Vault-Namespace")))
            status, body = served.answers.get(self.path, (404, {"errors": []}))
            if token != TOKEN:
                status, body = 403, {"errors": ["permission denied"]}
            self.send_response(status)
            if isinstance(body, str):
                self.send_header("Location", body)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Be silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        served.address = f"http://127.0.0.1:{server.server_port}"
        served.answers[PATH] = (200, {"data": {"data": {"psk": "PLANTED-88", "n": 3}, "metadata": {}}})
        yield served
        server.shutdown()
        thread.join()


def store(folder: Path, vault: Served, **more: str) -> SecretStore:
    return SecretStore(folder, {"VAULT_ADDR": vault.address, "VAULT_TOKEN": TOKEN, **more})


def test_a_path_is_read_once_for_all_of_its_values(tmp_path: Path, vault: Served) -> None:
    vault.answers[PATH] = (200, {"data": {"data": {"psk": "one", "old": "two"}, "metadata": {}}})
    other = PskRef("vault", REFERENCE.name, "old")
    keys = store(tmp_path, vault, VAULT_NAMESPACE="team").keys([REFERENCE, other])
    assert (keys[REFERENCE].reveal(), keys[other].reveal()) == (b"one", b"two")
    assert vault.asked == [(PATH, TOKEN, "team")]


FOREIGN = [
    "secret/web/database",
    "secret/tunnelwright",
    "secret/tunnelwrighted/a",
    "tunnelwright/a--b",
    "a/b/tunnelwright/c",
]


@pytest.mark.parametrize("path", FOREIGN)
def test_a_path_outside_of_the_namespace_is_not_asked_for(tmp_path: Path, vault: Served, path: str) -> None:
    mount, _, inside = path.partition("/")
    vault.answers[f"/v1/{mount}/data/{inside}"] = vault.answers[PATH]
    with pytest.raises(SecretUnavailable, match="documents may not name this path") as caught:
        store(tmp_path, vault).keys([REFERENCE, PskRef("vault", path, "psk")])
    assert str(REFERENCE) not in caught.value.message
    assert "keys.vaultPaths" in caught.value.hint
    assert [asked for asked, *_ in vault.asked] == [PATH]


def test_the_operator_allows_other_paths(tmp_path: Path, vault: Served) -> None:
    paths = {"secret/tunnels/a--b": True, "kv/a": True, "kv/ab": False, "secret/tunnel": False}
    for path in paths:
        mount, _, inside = path.partition("/")
        vault.answers[f"/v1/{mount}/data/{inside}"] = vault.answers[PATH]
    said = "secret/tunnels/*, kv/a"
    by_variable = store(tmp_path, vault, TUNNELWRIGHT_KEYS__VAULT_PATHS=said)
    environment = {"VAULT_ADDR": vault.address, "VAULT_TOKEN": TOKEN}
    by_settings = SecretStore(tmp_path, environment, Allowed.said(None, "", said, ""))
    for found in (by_variable, by_settings):
        for path, may in paths.items():
            with nullcontext() if may else pytest.raises(SecretUnavailable, match="may not name this path"):
                assert found.keys([PskRef("vault", path, "psk")])
    with pytest.raises(SecretUnavailable, match="TUNNELWRIGHT_KEYS__VAULT_PATHS is not a list"):
        store(tmp_path, vault, TUNNELWRIGHT_KEYS__VAULT_PATHS="*")


def test_the_token_may_come_from_a_file_for_its_owner_alone(tmp_path: Path, vault: Served) -> None:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(f"{TOKEN}\n")
    environment = {"VAULT_ADDR": vault.address, "VAULT_TOKEN_FILE": str(path)}
    assert SecretStore(tmp_path, environment).keys([REFERENCE])[REFERENCE].reveal() == b"PLANTED-88"
    path.chmod(0o644)
    with pytest.raises(SecretUnavailable, match="chmod 600"):
        SecretStore(tmp_path, environment).keys([REFERENCE])


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        ((404, {"errors": []}), "no value there"),
        ((403, {"errors": ["PLANTED"]}), "does not let this token"),
        ((500, {"errors": ["PLANTED"]}), "Vault refuses"),
        ((503, {"errors": ["Vault is sealed"]}), "Vault refuses"),
        ((200, {"data": {"data": {}}}), "psk is not there"),
        ((200, {"data": {"data": {"psk": 17}}}), "not a non-empty text"),
        ((200, {"data": {"psk": "PLANTED"}}), "not from a version 2"),
        ((200, {"data": {"data": None}}), "not from a version 2"),
        ((200, ["PLANTED"]), "not from a version 2"),
        ((307, "http://192.0.2.1/v1/elsewhere"), "not from a version 2"),
    ],
)
def test_what_vault_says_is_a_reason(
    tmp_path: Path, vault: Served, answer: tuple[int, object], because: str
) -> None:
    vault.answers[PATH] = answer
    with pytest.raises(SecretUnavailable, match=because) as caught:
        store(tmp_path, vault).keys([REFERENCE])
    assert str(REFERENCE) in caught.value.message
    assert "PLANTED" not in f"{caught.value.message}{caught.value.hint}"


def test_without_vault_it_says_so(tmp_path: Path, vault: Served) -> None:
    gone = {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": TOKEN}
    for environment, because in (
        ({}, "VAULT_ADDR is not set"),
        ({"VAULT_ADDR": vault.address}, "no token"),
        ({"VAULT_ADDR": "nonsense", "VAULT_TOKEN": TOKEN}, "does not answer"),
        (gone, "does not answer: ConnectionError"),
        ({**gone, "VAULT_ADDR": vault.address, "VAULT_TOKEN": "PLANTED\nx"}, "InvalidHeader"),
    ):
        with pytest.raises(SecretUnavailable, match=because) as caught:
            SecretStore(tmp_path, environment).keys([REFERENCE])
        assert "PLANTED" not in f"{caught.value.message}{caught.value.hint}"
