"""What a shell in a container answers is a result, or is refused without being quoted."""

from __future__ import annotations

import pytest

from reconciler.model.errors import AnswerNotUnderstood
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.docker_shell import _Answer

MARK = b"0123456789abcdef"
KEY = b"Sup3r-Secret-Planted"


def answer(output: bytes, errors: bytes = MARK + b"\n") -> _Answer:
    made = _Answer(MARK)
    assert not made.complete(2, errors)
    assert made.complete(1, output)
    return made


def allowance() -> Allowance:
    return Allowance(Limits(5, 1000), "paris", "write files")


def test_a_result_is_what_stands_before_the_marks() -> None:
    done = answer(b"said" + MARK + b" 137\n", b"wrote" + MARK + b"\n").completed(allowance())
    assert (done.status, done.stdout, done.stderr) == (137, b"said", b"wrote")


def test_marks_that_come_in_pieces_are_found() -> None:
    made = _Answer(MARK)
    pieces = [b"said" + MARK[:3], MARK[3:] + b" ", b"0"]
    assert not any(made.complete(1, piece) for piece in pieces)
    assert not made.complete(1, b"\n")
    assert made.complete(2, MARK + b"\n")
    assert made.completed(allowance()).stdout == b"said"


@pytest.mark.parametrize("end", [b" " + KEY[:12] + b"\n", b" -1\n", b" 1000\n", b"0\n"])
def test_what_is_no_status_is_refused_and_not_quoted(end: bytes) -> None:
    """The router's root sees what the shell is given, and may write what looks like its marks."""
    with pytest.raises(AnswerNotUnderstood) as caught:
        answer(MARK + end).completed(allowance())
    assert KEY[:12].decode() not in f"{caught.value} {caught.value!r}"
    assert caught.value.router == "paris"


def test_what_comes_after_the_end_is_refused_and_not_quoted() -> None:
    made = _Answer(MARK)
    assert not made.complete(1, MARK + b" 0\n")
    assert not made.complete(1, KEY)
    assert made.complete(2, MARK + b"\n")
    with pytest.raises(AnswerNotUnderstood) as caught:
        made.completed(allowance())
    assert KEY.decode() not in f"{caught.value} {caught.value!r}"
