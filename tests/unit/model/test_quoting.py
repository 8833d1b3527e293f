"""Text is repeated only in forms that keys do not have; see also test_key_in_every_place.py."""

from __future__ import annotations

import base64
import random

import pytest

from reconciler.model.quoting import NOT_SHOWN, is_plain_revision, quoted


@pytest.mark.parametrize(
    "text",
    [
        "*/15 0-6,22-23 1-15 * 1-5",
        "0,5,10,15,20,25,30,35,40,45,50,55 * * * *",
        "0 22 * * Monday-Friday",
        "61 2 * * MON,TUE,WED",
        "0 2 * *",
        "2026-12-24T00:00:00Z",
        "2026-12-24 06:30",
        "4 hours",
        "203.0.113.10-203.0.113.20",
        "203.0.113.0/24, 198.51.100.0/24",
        "Europe/Berlni",
    ],
)
def test_what_cannot_be_a_key_is_shown(text: str) -> None:
    assert quoted(text) == repr(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sup3rSecretKey!",
        "correct horse * battery staple",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "* 5f4dcc3b5aa765d61d8327deb882cf99 * *",
        "4827193459382716",
        "48271934 59382716 10293847",
        "0 2 * * 4827193459382716",
        "5f4d-cc3b-5aa7-65d6-1d83-27de",
    ],
)
def test_what_may_be_a_key_is_not(text: str) -> None:
    assert quoted(text) == NOT_SHOWN


def test_no_key_that_is_generated_is_shown() -> None:
    choice = random.Random(9)  # noqa: S311 - the same ones in every run
    for _ in range(2_000):
        content = choice.randbytes(choice.randint(10, 32))
        digits = str(int.from_bytes(content))
        spaced = " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
        for key in (base64.b64encode(content).decode(), content.hex(), content.hex(":"), digits, spaced):
            assert quoted(key) == NOT_SHOWN, key


@pytest.mark.parametrize("text", ["HEAD~12", "main@{upstream}", "v1.2.3^{commit}", "feature/new-site-lyon"])
def test_revisions_are_shown(text: str) -> None:
    assert is_plain_revision(text)


@pytest.mark.parametrize("text", ["5f4dcc3b5aa765d61d8327deb882cf99", "9vT+uJ5yq0mW~2"])
def test_what_is_no_name_of_a_revision_is_not(text: str) -> None:
    assert not is_plain_revision(text)
