from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.compile.router import compile_router
from reconciler.facets import secrets
from reconciler.model.errors import KeysDiffer, SecretUnavailable, WeakKey
from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret
from reconciler.operations.desired import check_keys, compile_fabric
from reconciler.secrets import FINGERPRINT_KEY, FOLDER, SecretStore, weakness
from tests.contract.sites import change_tunnels, memory_site
from tests.fabrics import two_routers

REFERENCE = PskRef("file", "a.psk")


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> SecretStore:
    path = folder / FOLDER / REFERENCE.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return SecretStore(folder, {})


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"key", b"key"),
        (b"key\n", b"key"),
        (b"key\r\n", b"key"),
        (b" \xff\x00 ", b" \xff\x00 "),
    ],
)
def test_a_file_is_its_bytes_less_one_line_end(tmp_path: Path, content: bytes, key: bytes) -> None:
    assert key_file(tmp_path, content).keys([REFERENCE])[REFERENCE].reveal() == key


def test_an_environment_variable_is_a_key(tmp_path: Path) -> None:
    reference = PskRef("env", "TUNNELWRIGHT_KEY_A")
    assert (
        SecretStore(tmp_path, {"TUNNELWRIGHT_KEY_A": "é "}).keys([reference])[reference].reveal()
        == "é ".encode()
    )


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SecretUnavailable, match="chmod 600"):
        key_file(tmp_path, b"key", mode).keys([REFERENCE])


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    store = key_file(tmp_path, b"\n")
    wanted = [REFERENCE, PskRef("file", "b.psk"), PskRef("env", "TUNNELWRIGHT_KEY_NOT_SET")]
    with pytest.raises(SecretUnavailable) as caught:
        store.keys(wanted)
    assert all(str(reference) in caught.value.message for reference in wanted)
    assert str(tmp_path) in caught.value.hint


def test_the_fingerprint_key_is_made_once_and_private(tmp_path: Path) -> None:
    notes: list[str] = []
    store = SecretStore(tmp_path / "new", {}, note=notes.append)
    first = store.fingerprint_key()
    assert store.fingerprint_key() == first
    [said] = notes
    assert said.startswith(f"{tmp_path / 'new' / FINGERPRINT_KEY} was made: the key of the fingerprints")
    assert first.reveal().decode() not in said
    path = tmp_path / "new" / FINGERPRINT_KEY
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in path.parent.iterdir()] == [FINGERPRINT_KEY]
    path.chmod(0o644)
    with pytest.raises(SecretUnavailable):
        store.fingerprint_key()


def test_ids_of_long_names_are_short_and_never_confused() -> None:
    fabric = two_routers()
    names = ["a" * 63, "a" * 62 + "b", "a" * 26, "a" * 27]
    ids = []
    for name in names:
        tunnel = change_tunnels(fabric, name=name).tunnels["paris-tokyo"]
        ids.append(secrets.compile_secret(tunnel, Secret(b"key"), Secret(b"fk")).id)
    # get-shared is one message of at most 512 KiB: 10,000 ids of 3 + 49 bytes fit.
    assert max(map(len, ids)) <= 49
    for name, secret_id in zip(names, ids, strict=True):
        assert [other for other in ids if secrets.owner_of(other) == secrets.owner_tag(name)] == [secret_id]


def test_the_owners_are_what_either_ike_version_looks_the_key_up_by() -> None:
    fabric = two_routers()
    keys = {tunnel.psk: Secret(b"key") for tunnel in fabric.tunnels.values()}
    config = compile_router(fabric, "paris", keys, Secret(b"fk"))
    assert config.connections["tw-paris-tokyo"].secret.owners == ("203.0.113.11", "203.0.113.12")


def test_two_ends_with_different_keys_are_refused_before_anything_is_touched(tmp_path: Path) -> None:
    fabric = two_routers()
    tunnels = dict(fabric.tunnels)
    tunnels["tokyo-paris"] = replace(tunnels["tokyo-paris"], psk=PskRef("env", "TUNNELWRIGHT_KEY_OTHER"))
    fabric = replace(fabric, tunnels=tunnels)
    with pytest.raises(KeysDiffer, match=r"TUNNELWRIGHT_KEY_LAB.*OTHER"):
        compile_fabric(
            fabric, SecretStore(tmp_path, {"TUNNELWRIGHT_KEY_LAB": "one", "TUNNELWRIGHT_KEY_OTHER": "two"})
        )
    assert compile_fabric(
        fabric, SecretStore(tmp_path, {"TUNNELWRIGHT_KEY_LAB": "one", "TUNNELWRIGHT_KEY_OTHER": "one"})
    )


@pytest.mark.parametrize(
    ("key", "because"),
    [
        (b"password", "top-10 common password"),
        (b"a" * 64, "Repeats"),
        (b"abcdefghijklmnopqrstuvwxyz", "Sequences"),
        (b"hunter2hunter2", "Repeats"),
        (b"P@ssw0rd2023!!", "guesses"),
        (b"x7Kq!9", "it is too short for its characters"),
        (b"\xff\xfe\xfd", "guesses"),
    ],
)
def test_a_key_that_can_be_guessed_is_weak(key: bytes, because: str) -> None:
    reason = weakness(Secret(key))
    assert because in reason
    assert key == b"password" or key.decode(errors="replace") not in reason


@pytest.mark.parametrize(
    "key",
    [
        b"correct horse battery staple",
        b"439FGs8LqTD2nhQm",
        b"a" * 64 + b"439FGs8LqTD2nhQm",
        b"\x00\x93\xa1\x17\xee\x08\x5b\xc4\x21\x7f\xd0\x66\x39\x8a\xf2\x1c",
    ],
)
def test_a_key_that_takes_too_many_guesses_is_not(key: bytes) -> None:
    assert weakness(Secret(key)) == ""


def test_only_keys_that_would_be_loaded_are_judged(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    with pytest.raises(WeakKey, match=r"env:TUNNELWRIGHT_KEY_LAB: .*guess") as caught:
        check_keys(site.fabric, site.preview(psk="hunter2hunter2").plan)
    assert "hunter2" not in str(caught.value)
    site.apply(psk="hunter2hunter2")
    longer = change_tunnels(site.fabric, ike__lifetime=4000)
    check_keys(longer, site.preview(longer, psk="hunter2hunter2").plan)
