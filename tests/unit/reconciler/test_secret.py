from __future__ import annotations

import base64
import pickle
from dataclasses import asdict, dataclass

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


@pytest.mark.parametrize("shift", range(3))
def test_a_secret_is_found_in_what_others_print(shift: int) -> None:
    key = Secret(b"planted-91ab \xc3\xa9\n end")
    value = key.reveal()
    inside = base64.b64encode(b"x" * shift + value + b" after").decode()
    text = redacted(f"{value.decode()} | {value!r} | {value.hex()} | {inside}")
    assert text.count("(redacted)") == 4
    assert "planted" not in text
    assert base64.b64encode(b"planted-91")[:12].decode() not in text
