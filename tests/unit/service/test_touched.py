"""Which run has changed a connection last, and who had asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.history.kept import Kept
from reconciler.model.record import Result
from reconciler.service.touched import author_of
from tests.unit.service.followed import followed


def test_the_last_change_of_a_connection_has_its_commit_and_its_author(tmp_path: Path) -> None:
    site = followed(tmp_path)
    history = Kept(tmp_path / "state" / "history.db")
    first = site.once()
    assert first.result is Result.CHANGED
    touch = history.touched()["paris-tokyo"]
    assert (touch.commit, touch.at) == (first.in_force, first.finished)
    author = site.repository.head.commit.author.name
    assert author
    assert touch.author == author
    assert site.once().result is Result.IN_SYNC
    assert history.touched() == {"paris-tokyo": touch}, "a run that changes nothing touches nothing"


@pytest.mark.parametrize(
    ("raw", "author"),
    [
        (
            b"tree 1\nauthor Ann Other <ann@example.net> 1764000000 +0100\ncommitter Bob <b> 1 +0000\n"
            b"\nauthor Eve <e> 1 +0000\n",
            "Ann Other",
        ),
        (b"author <nobody@example.net> 1 +0000\n\n", ""),
        (b"tree 1\n\nauthor Eve <e> 1 +0000\n", ""),
        (b"author " + b"x" * 500 + b" <x> 1 +0000\n", "x" * 100),
        (b"author J\xf6rg <j> 1 +0000\n", "J\N{REPLACEMENT CHARACTER}rg"),
    ],
)
def test_the_author_is_in_the_headers_of_a_commit(raw: bytes, author: str) -> None:
    assert author_of(raw) == author
