"""By the sops program itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.load import load_tree
from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.secrets import SecretStore
from reconciler.secrets.age import create_identity
from reconciler.secrets.store import IDENTITY
from tests.unit.secrets.sealed import SOPS, sops_encrypt

NAME = "keys.sops.yaml"
ENVIRONMENT = {"PATH": str(SOPS.parent)}


@pytest.fixture
def sealed(tmp_path: Path) -> bytes:
    path = tmp_path / NAME
    path.write_text("paris--tokyo: PLANTED-17aa\nparis--rome: 'é '\nnumber: 17\n")
    sops_encrypt(path, create_identity(tmp_path / IDENTITY))
    return path.read_bytes()


def test_each_value_of_a_file_is_a_key(tmp_path: Path, sealed: bytes) -> None:
    one, other = (PskRef("sops", NAME, field, sealed=sealed) for field in ("paris--tokyo", "paris--rome"))
    keys = SecretStore(tmp_path, ENVIRONMENT).keys([one, other])
    assert (keys[one].reveal(), keys[other].reveal()) == (b"PLANTED-17aa", "é ".encode())


def test_it_is_seen_to_be_encrypted_without_opening_it(tmp_path: Path, sealed: bytes) -> None:
    (tmp_path / IDENTITY).unlink()
    loaded = load_tree(tmp_path)
    assert not loaded.diagnostics
    assert not loaded.documents
    assert loaded.sealed[NAME].content == sealed
    assert all(value.startswith("ENC[") for value in loaded.sealed[NAME].fields.values())
    assert set(loaded.sealed[NAME].fields) == {"paris--tokyo", "paris--rome", "number"}


def test_what_cannot_be_had_is_said_of_each(tmp_path: Path, sealed: bytes) -> None:
    wanted = [
        PskRef("sops", NAME, "absent", sealed=sealed),
        PskRef("sops", NAME, "number", sealed=sealed),
        PskRef("sops", "cut.sops.yaml", "a", sealed=sealed[:200]),
    ]
    with pytest.raises(SecretUnavailable) as caught:
        SecretStore(tmp_path, ENVIRONMENT).keys(wanted)
    assert all(str(reference) in caught.value.message for reference in wanted)
    assert "PLANTED" not in caught.value.message


def test_a_changed_value_is_refused_by_its_authentication(tmp_path: Path, sealed: bytes) -> None:
    at = sealed.index(b"data:") + 5
    other = b"B" if sealed[at : at + 1] == b"A" else b"A"
    changed = sealed[:at] + other + sealed[at + 1 :]
    with pytest.raises(SecretUnavailable, match="sops ended with"):
        SecretStore(tmp_path, ENVIRONMENT).keys([PskRef("sops", NAME, "paris--tokyo", sealed=changed)])


def test_without_the_program_or_an_identity_it_says_so(tmp_path: Path, sealed: bytes) -> None:
    reference = PskRef("sops", NAME, "paris--tokyo", sealed=sealed)
    with pytest.raises(SecretUnavailable, match="not installed"):
        SecretStore(tmp_path, {"PATH": str(tmp_path)}).keys([reference])
    (tmp_path / IDENTITY).unlink()
    home = {**ENVIRONMENT, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(SecretUnavailable, match="sops ended with"):
        SecretStore(tmp_path, home).keys([reference])
