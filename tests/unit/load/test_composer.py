"""The composer against ruamel.yaml's own pure loader, and the positions that it keeps."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reconciler.load import Document
from reconciler.load.composer import compose
from reconciler.model.diagnostic import Diagnostics, Location


def mappings(excluded: str) -> st.SearchStrategy[dict[str, Any]]:
    """Nested data without control characters and without the excluded ones."""
    text = st.text(
        st.characters(
            exclude_categories=("Cs", "Cc"), exclude_characters=excluded, include_characters="\n\t"
        ),
        max_size=20,
    )
    scalars = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | text
    values = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=20,
    )
    return st.dictionaries(text, values, max_size=5)


# Inside braces and brackets libyaml reads plain text with `?` or `:` as YAML 1.1 does, which is an error.
STYLES = st.tuples(st.just(False), mappings("")) | st.tuples(st.just(True), mappings("?:"))


def read(text: str) -> tuple[list[Document], Diagnostics, bool]:
    """Compose a text as a file named `x.yaml`."""
    found = Diagnostics()
    documents, whole = compose(text.encode(), "x.yaml", found)
    return documents, found, whole


@settings(max_examples=300, deadline=None)
@given(STYLES)
def test_reads_what_ruamel_reads(style: tuple[bool, dict[str, Any]]) -> None:
    pure = YAML(typ="safe", pure=True)
    pure.default_flow_style, data = style
    stream = io.StringIO()
    pure.dump(data, stream)
    text = stream.getvalue()
    oracle = YAML(typ="safe", pure=True).load(text)
    documents, found, whole = read(text)
    assert list(found) == []
    assert whole
    assert [document.data for document in documents] == [oracle]


@pytest.mark.parametrize("text", ["a: {b: why?}\n", "a: [http://x]\n", "a: {b: c:d}\n"])
def test_what_libyaml_cannot_read_in_braces_is_explained(text: str) -> None:
    _, found, _ = read(text)
    assert found.errors[0].code == "yaml-syntax"
    assert "quote" in found.errors[0].hint


@given(st.text(st.sampled_from(list("ab:- \n\t{}[],'\"#&*!|>%@?0.~")), max_size=60))
def test_no_text_raises(text: str) -> None:
    documents, found, whole = read(text)
    assert whole or found.errors
    for document in documents:
        assert document.locate().line >= 1


@given(st.binary(max_size=80))
def test_no_bytes_raise(content: bytes) -> None:
    found = Diagnostics()
    _, whole = compose(content, "x.yaml", found)
    assert whole or found.errors


# Flow collections of plain words, which both parsers must place alike.
@given(st.lists(st.sampled_from(["a", "b: c", "{d: e}", "[f, g]"]), min_size=1, max_size=6))
def test_agrees_with_ruamel_on_what_is_broken(parts: list[str]) -> None:
    text = "\n".join(parts) + "\n"
    try:
        oracle: object = YAML(typ="safe", pure=True).load(text)
        broken = False
    except YAMLError:
        oracle, broken = None, True
    documents, found, _ = read(text)
    assert bool(found.errors) is broken
    if not broken:
        assert documents[0].data == oracle


def test_positions_of_keys_and_values() -> None:
    documents, _, _ = read("# c\nspec:\n  peer:\n    cidrs: [10.0.0.0/8,\n      'x']\n---\n- é: 1\n")
    first, second = documents
    assert (first.index, second.index) == (0, 1)
    assert first.locate() == Location("x.yaml", 2, 1)
    assert first.locate_key(("spec", "peer")) == Location("x.yaml", 3, 3)
    assert first.locate(("spec", "peer")) == Location("x.yaml", 4, 5)
    assert first.locate(("spec", "peer", "cidrs", 1)) == Location("x.yaml", 5, 7)
    assert first.locate_key(("spec", "peer", "cidrs", 1)) == Location("x.yaml", 5, 7)
    assert second.locate((0, "é")) == Location("x.yaml", 7, 6)


def test_what_is_missing_is_at_what_encloses_it() -> None:
    (document,), _, _ = read("spec:\n  peer:\n    a: 1\n")
    assert document.locate(("spec", "peer", "cidrs", 3)) == Location("x.yaml", 3, 5)
    assert document.locate(("spec", "peer", "a", "b")) == Location("x.yaml", 3, 8)
    assert document.locate_key(("spec", "vip")) == Location("x.yaml", 2, 3)
    assert document.locate_key(("nothing", "at", "all")) == Location("x.yaml", 1, 1)


def test_duplicate_keys_keep_the_first_and_name_both() -> None:
    (document,), found, whole = read("a: 1\nb: 2\na: 3\n")
    assert whole
    assert document.data == {"a": 1, "b": 2}
    (error,) = found.errors
    assert error.location == Location("x.yaml", 3, 1)
    assert error.related == (Location("x.yaml", 1, 1),)


def test_documents_before_a_broken_one_are_kept() -> None:
    documents, found, whole = read("a: 1\n---\nb: [\n")
    assert not whole
    assert [document.data for document in documents] == [{"a": 1}]
    assert [item.code for item in found] == ["yaml-syntax"]


def test_documents_after_a_refused_one_are_kept() -> None:
    documents, found, _ = read("a: &x 1\n---\nb: 2\n")
    assert [document.data for document in documents] == [{"b": 2}]
    assert [item.code for item in found] == ["yaml-unsupported"]


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    documents, found, _ = read("\ufeffa: 1\n")
    assert [document.data for document in documents] == [{"a": 1}]
    assert documents[0].locate_key(("a",)) == Location("x.yaml", 1, 1)
    assert list(found) == []


@pytest.mark.parametrize("text", ['"<<": 1\n', "a: '012'\n", "a: !!str\n"])
def test_quotes_make_text(text: str) -> None:
    documents, found, _ = read(text)
    if "!!" in text:
        assert [item.code for item in found] == ["yaml-unsupported"]
    else:
        assert documents[0].data in ({"<<": 1}, {"a": "012"})
