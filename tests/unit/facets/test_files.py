from __future__ import annotations

import base64
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.compile.router import compile_router
from reconciler.facets import files
from reconciler.facets.files import WrittenFile
from reconciler.facets.files.swanctl_conf import quoted
from reconciler.model.router_config import Connection, LiveFile
from reconciler.model.secret import Secret
from reconciler.model.swanctl import Settings, flatten
from tests.contract.sites import change_tunnels
from tests.fabrics import two_routers

# What an IKE identity or a key may hold: anything but NUL, which no C string carries.
ANY = st.characters(codec="utf-8", exclude_characters="\0")
TEXT = st.text(ANY, min_size=1, max_size=60)


def connection(psk: bytes = b"key") -> Connection:
    fabric = two_routers()
    keys = {tunnel.psk: Secret(psk) for tunnel in fabric.tunnels.values()}
    (found,) = compile_router(fabric, "paris", keys, Secret(b"fk")).connections.values()
    return found


@given(TEXT)
def test_any_value_comes_back_from_its_quotes(value: str) -> None:
    parsed = files.parse(f"section {{\n  id = {quoted(value)}\n}}\n".encode())
    assert parsed == {"section": {"id": value}}


@given(st.binary(min_size=1, max_size=80))
def test_any_key_reaches_the_file_byte_for_byte(psk: bytes) -> None:
    content = files.render(connection(psk)).reveal()
    parsed = files.parse(content)
    assert parsed is not None
    secret = dict(flatten(parsed))[f"secrets.{connection(psk).secret.id}.secret"]
    assert isinstance(secret, str)
    assert base64.b64decode(secret.removeprefix("0s")) == psk


def test_a_file_says_what_the_connection_is() -> None:
    wanted = connection()
    file = WrittenFile(LiveFile(files.render(wanted), files.MODE))
    assert file.connection(wanted.name) == wanted.settings
    assert file.secret(wanted.secret) == files.WrittenSecret(wanted.secret.owners, right=True)
    other = replace(wanted.secret, secret=Secret(b"another"))
    assert file.secret(other) == files.WrittenSecret(wanted.secret.owners, right=False)
    assert file.secret(replace(wanted.secret, id="ike-tw-other-1")) is None
    assert file.connection("tw-other") is None


@given(st.binary(min_size=1, max_size=80), TEXT, TEXT)
def test_what_was_rendered_is_known_without_reading_it(psk: bytes, ours: str, theirs: str) -> None:
    known = connection(psk)
    ends = {"local": {"auth": "psk", "id": ours}, "remote": {"auth": "psk", "id": theirs}}
    secret = replace(known.secret, owners=(ours, theirs))
    known = replace(known, settings={**known.settings, **ends}, secret=secret)
    assert files.parse(files.render(known).reveal()) == files.said(known)


def test_what_a_file_is_known_to_say_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = connection()
    known = LiveFile(files.render(wanted), files.MODE, files.said(wanted))
    monkeypatch.delattr(files, "parse")
    file = WrittenFile(known)
    assert file.connection(wanted.name) == wanted.settings
    other = replace(wanted, settings={**wanted.settings, "rekey_time": "1s"})
    assert not file.equals(files.render(other), other)


def test_a_file_that_is_not_there_says_nothing() -> None:
    wanted = connection()
    file = WrittenFile(None)
    assert (file.is_there, file.mode, file.protected, file.paired) == (False, None, False, False)
    assert file.reconnect is None
    assert file.marked() is None
    assert not file.equals(files.render(wanted), wanted)
    assert file.connection(wanted.name) is None
    assert file.secret(wanted.secret) is None
    assert file.before(wanted.name, [wanted.secret.id]) is None


def test_while_a_change_is_under_way_a_file_says_only_what_ran_before() -> None:
    wanted = connection()
    marked = WrittenFile(LiveFile(files.render(wanted), files.MODE)).marked()
    assert marked is not None
    file = WrittenFile(LiveFile(marked, files.MODE))
    assert file.marked() is None
    assert file.connection(wanted.name) is None
    assert file.secret(wanted.secret) is None
    assert file.before(wanted.name, ["ike-tw-other", wanted.secret.id]) == (wanted.settings, wanted.secret)
    assert not file.equals(files.render(wanted), wanted)


def test_a_file_is_read_once_and_not_before_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    parse = files.parse

    def counted(content: bytes) -> Settings | None:
        read.append(content)
        return parse(content)

    monkeypatch.setattr(files, "parse", counted)
    wanted = connection()
    content = files.render(wanted)
    same = WrittenFile(LiveFile(content, files.MODE))
    assert same.equals(content, wanted)
    assert (same.reconnect, same.protected, same.paired) == ("", False, True)
    assert read == []
    other = Secret(content.reveal().replace(b"aes256", b"aes128"))
    file = WrittenFile(LiveFile(other, files.MODE))
    assert not file.equals(content, wanted)
    for _ in range(2):
        assert file.connection(wanted.name) != wanted.settings
        assert file.secret(wanted.secret) == files.WrittenSecret(wanted.secret.owners, right=True)
        assert file.before(wanted.name, [wanted.secret.id]) is not None
    assert read.count(other.reveal()) == 1


def test_nothing_shows_what_a_file_holds() -> None:
    file = WrittenFile(LiveFile(files.render(connection(b"a key that is long")), files.MODE))
    assert file.connection("tw-paris-tokyo") is not None
    assert "key" not in repr(file)
    with pytest.raises(TypeError, match="never serialised"):
        pickle.dumps(file)


@given(st.binary(max_size=200))
def test_whatever_is_on_the_router_is_no_traceback(content: bytes) -> None:
    files.parse(content)


def test_a_hand_made_file_is_understood() -> None:
    text = b'connections {\n # why\n a { version=1 # old\n proposals = x,y\n remote { id = "b # c" } } }\n'
    assert files.parse(text) == {
        "connections": {"a": {"version": "1", "proposals": ("x", "y"), "remote": {"id": "b # c"}}}
    }


def test_rendering_is_stable_and_differs_by_every_field() -> None:
    fabric = two_routers()
    keys = {tunnel.psk: Secret(b"key") for tunnel in fabric.tunnels.values()}

    def rendered(changed: dict[str, object]) -> bytes:
        config = compile_router(change_tunnels(fabric, **changed), "paris", keys, Secret(b"fk"))
        return config.files["tw-paris-tokyo.conf"].reveal()

    variants: list[dict[str, object]] = [
        {},
        {"ike__version": 1},
        {"ike__lifetime": 100},
        {"esp__lifetime": 100},
        {"ike__dpd_action": "trap"},
        {"esp__pfs_group": None},
    ]
    assert rendered({}) == rendered({})
    assert len({rendered(changed) for changed in variants}) == len(variants)
