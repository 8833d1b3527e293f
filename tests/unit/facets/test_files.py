from __future__ import annotations

import base64
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.compile.router import compile_router
from reconciler.facets import files
from reconciler.model.router_config import Connection, LiveFile
from reconciler.model.secret import Secret
from reconciler.model.settings import flatten
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
    parsed = files.parse(f"section {{\n  id = {files.quoted(value)}\n}}\n".encode())
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
    live = LiveFile(files.render(wanted), files.MODE)
    assert files.connection_in(live, wanted.name) == wanted.settings
    assert files.secret_in(live, wanted.secret) == files.WrittenSecret(wanted.secret.owners, right=True)
    other = replace(wanted.secret, secret=Secret(b"another"))
    assert files.secret_in(live, other) == files.WrittenSecret(wanted.secret.owners, right=False)
    assert files.secret_in(live, replace(wanted.secret, id="ike-tw-other-1")) is None


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
