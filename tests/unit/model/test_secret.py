from __future__ import annotations

import base64
import html
import json
import pickle
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from urllib.parse import quote, urlencode

import pytest

from reconciler.model.secret import Secret, fingerprint, redacted

KEY = Secret(b"controller")


@dataclass(frozen=True)
class Holder:
    secret: Secret


def test_no_way_of_printing_shows_the_key() -> None:
    planted = "planted-5e1f"
    holder = Holder(Secret(planted.encode()))
    shown = f"{holder} {holder!r} {holder.secret:>30} {asdict(holder)} {vars(holder)} {[holder.secret]}"
    assert planted not in shown
    assert "redacted" in shown


def test_it_is_not_serialised() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(b"key"))


def test_a_fingerprint_depends_on_key_secret_and_tunnel() -> None:
    prints = {
        fingerprint(Secret(psk), key=Secret(key), context=context)
        for psk in (b"one", b"two")
        for key in (b"k1", b"k2")
        for context in ("a", "b")
    }
    assert len(prints) == 8
    assert all(len(text) == 12 for text in prints)


def test_a_context_cannot_borrow_from_the_secret() -> None:
    assert fingerprint(Secret(b"bc"), key=KEY, context="a") != fingerprint(
        Secret(b"c"), key=KEY, context="ab"
    )


@pytest.mark.parametrize(
    "key",
    [b"planted-91ab", b"pl'an\"ted <&> \\ 91ab\n\xc3\xa9 {$x}", b"planted+91ab/x==", b"\xff\x00pl an\x01"],
)
@pytest.mark.parametrize(
    "write",
    [
        lambda key: key.decode(errors="replace"),
        lambda key: json.dumps({"a": key.decode(errors="replace")}),
        lambda key: json.dumps(key.decode(errors="replace"), ensure_ascii=False),
        repr,
        lambda key: repr(key.decode(errors="replace")),
        quote,
        lambda key: urlencode({"key": key}),
        lambda key: html.escape(key.decode(errors="replace")),
        lambda key: shlex.quote(key.decode(errors="replace")),
        lambda key: key.hex(),
        lambda key: key.hex().upper(),
        lambda key: base64.b64encode(key).decode(),
        lambda key: base64.urlsafe_b64encode(b"?" + key).decode(),
    ],
)
def test_a_secret_is_found_however_it_is_written(write: Callable[[bytes], str], key: bytes) -> None:
    secret = Secret(key)
    text = redacted(f"tar: {write(secret.reveal())} is not there")
    assert "(redacted)" in text
    # Of base64 the last characters may stay: they are shared with what follows.
    assert len(text) <= len("tar: (redacted) is not there") + len(write(b"")) + 10


@pytest.mark.parametrize("shift", range(3))
def test_a_secret_is_found_in_what_others_print(shift: int) -> None:
    key = Secret(b"planted-91ab \xc3\xa9\n end")
    value = key.reveal()
    inside = base64.b64encode(b"x" * shift + value + b" after").decode()
    text = redacted(f"{value.decode()} | {value!r} | {value.hex()} | {inside}")
    assert text.count("(redacted)") == 4
    assert "planted" not in text
    assert base64.b64encode(b"planted-91")[:12].decode() not in text
