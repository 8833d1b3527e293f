"""What a file of a known shape is filled in to is what composing it gives: values, marks and findings."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fabric import end_text, tunnel_text
from reconciler.load import shapes
from reconciler.load.composer import compose
from reconciler.load.documents import Document
from reconciler.load.shapes import Shapes
from reconciler.model.diagnostic import Diagnostics

ROOT = Path(__file__).parents[3]
CORPUS = sorted(
    file for folder in ("tests/errors", "desired_state", "docs") for file in (ROOT / folder).rglob("*.yaml")
)
WORDS = (
    *("true", "False", "null", "no", "y", "0", "012", "1_000", "0x1F", "0o14", "1e3", "1.5", "123456", "inf"),
    *("a", "a-b", "10.0.0.0/24", "198.18.0.1", "a.b", "x-", "x.", "a_b", "2026-01-01", "12:30", "1" * 70),
    *("a b", "a, b", "a - b", "a,b", "site 1 (old)", "b@c", "a#b", "a #b", "a: b", "[a]", "{a", "'a'"),
    "x" * 300,
)


def _seen(documents: list[Document]) -> list[object]:
    """All that there is to know of documents. `repr` distinguishes 1 from True."""
    return [
        (
            repr(document.data),
            [document.marks.position(part) for part in range(len(document.marks))],
            list(document.marks.numbers[2::3]),
            document.file,
            document.index,
            document.values,
        )
        for document in documents
    ]


def _assert_equal(known: Shapes, content: bytes) -> None:
    found, expected = Diagnostics(), Diagnostics()
    documents, whole = known.compose(content, "a.yaml", found)
    composed, all_of_it = compose(content, "a.yaml", expected)
    assert (_seen(documents), whole, list(found)) == (_seen(composed), all_of_it, list(expected)), content


def _variants(text: str, chance: random.Random) -> Iterator[str]:
    """The text, and others with other words."""
    yield text
    yield text
    for _ in range(4):
        parts = shapes._WORDS.split(text)
        parts[2::3] = [chance.choice(WORDS) for _ in parts[2::3]]
        yield "".join(parts)
        yield "".join(parts)


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_file_and_its_like_are_read_as_composed(file: Path) -> None:
    known, chance = Shapes(), random.Random(file.name)  # noqa: S311 - the same words in each run
    for text in _variants(file.read_bytes().decode(errors="replace"), chance):
        _assert_equal(known, text.encode())
    _assert_equal(known, file.read_bytes())


@pytest.mark.parametrize(
    "text",
    [
        "a: b\n  c\n",
        "a: b # c: d\n",
        "# c: d\na: b\n",
        "a: |\n  b: c\n",
        "a: 'b: c\n\n  d: e\n  '\n",
        'a: "\n  b: c\n  "\n',
        "a: [b,\n  c: d, e\n ]\n",
        "{a: b\n, c: d}\n",
        "{a: b, c}\n",
        "a: [b, c, {d: e, f: [g]}, h]\nb: c\n",
        "a: &x b\nc: *x\n",
        "a: !x b\n",
        "- a\n- - b\n  - c: d\n    e: f\n",
        "a: b\n---\na: c\n---\n---\n- d\n",
        "a: b\na: c\n",
        "a: b",
        "a: b\r\nc: d\r\n",
        "\ufeffa: b\n",
        "ä: b\nc: [ü, d, é, e]\n",
        "b\n",
        "? a: b\n: c: d\n",
        "<<: b\n",
        "a: b\n\x85c: d\n",
        "a:\tb\nc: d\n",
        "a: []\nb: {}\nc: d\ne:\n",
    ],
)
def test_what_is_no_whole_word_is_composed(text: str) -> None:
    known, chance = Shapes(), random.Random(text)  # noqa: S311
    for one in _variants(text, chance):
        _assert_equal(known, one.encode())


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_taken_as_the_composer_takes_it(word: str) -> None:
    """After words of each kind have made a shape known, in lines, sequences, and in brackets."""
    forms = (
        "a: {}\nb: c\n",
        "- {}\n- x\n",
        "a: [{}, b]\nc: d\n",
        "a: {{b: {}, c: d}}\n",
        "a: [x,\n {}\n, y]\n",
    )
    for form in forms:
        for first in ("x", "x y", "x, y", "7"):
            known = Shapes()
            for one in (first, first, word, first):
                _assert_equal(known, form.format(one).encode())


@pytest.mark.parametrize("write", [tunnel_text, lambda number: end_text(number, number + 1)])
def test_files_of_a_fleet_are_composed_twice(
    write: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    composed: list[str] = []

    def counted(content: bytes, file: str, found: Diagnostics) -> tuple[list[Document], bool]:
        composed.append(file)
        return compose(content, file, found)

    monkeypatch.setattr(shapes, "compose", counted)
    known = Shapes()
    for number in range(100):
        known.compose(write(number).encode(), f"{number}.yaml", Diagnostics())
    assert composed == ["0.yaml", "1.yaml"]


def test_shapes_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MOST_SHAPES", 2)
    known = Shapes()
    for key in "abcd":
        for _ in range(3):
            _assert_equal(known, f"{key}: b\n".encode())
    assert len(known._shapes) == 2


_PIECES = (
    *("a", "b: ", "c:\n", "\n", "  ", "    ", "- ", ", ", ": ", "[", "]", "{", "}", "# ", "'", '"', "|\n"),
    *("x y", "12", "true", "---\n", "? ", "&r ", "*r", "!t ", "<<: ", "\r\n", "\t", "é", "d: e\n"),
    *(">-\n", "f: [g, h]\n", "...\n"),
)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=14).map("".join), st.randoms(use_true_random=False))
def test_any_text_and_its_like_are_read_as_composed(text: str, chance: random.Random) -> None:
    known = Shapes()
    for one in _variants(text, chance):
        _assert_equal(known, one.encode())
