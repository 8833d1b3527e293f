"""What a document says of itself before its schema is checked."""

from __future__ import annotations

import pytest

from reconciler.load.documents import Document, Marks, Path


@pytest.mark.parametrize(
    ("data", "kind", "name"),
    [
        ({"kind": "VpcRouter", "metadata": {"name": "paris"}}, "VpcRouter", "paris"),
        ({"kind": "Unknown", "metadata": {"name": ""}}, "Unknown", ""),
        ({"kind": 7, "metadata": {"name": ["paris"]}}, None, None),
        ({"kind": ["VpcRouter"], "metadata": "paris"}, None, None),
        ({}, None, None),
        (["kind", "metadata"], None, None),
        (None, None, None),
    ],
)
def test_kind_and_name_are_texts_or_unknown(data: object, kind: str | None, name: str | None) -> None:
    document = Document(data, Marks(), "a.yaml", 0)
    assert (document.kind, document.name) == (kind, name)


PEER = {"spec": {"peer": {"cidrs": ["10.0.0.0/8", None]}, "probe": None}}


@pytest.mark.parametrize(
    ("path", "value", "has"),
    [
        (("spec", "peer", "cidrs", 0), "10.0.0.0/8", True),
        (("spec", "peer", "cidrs", 1), None, True),
        (("spec", "probe"), None, True),
        (("spec", "probe", "gateway"), None, False),
        (("spec", "peer", "cidrs", 2), None, False),
        (("spec", "peer", "cidrs", "0"), None, False),
        (("spec", 0), None, False),
        ((), PEER, False),
    ],
)
def test_a_value_is_found_by_its_path(path: Path, value: object, *, has: bool) -> None:
    """A value that is null is written, but it is none."""
    document = Document(PEER, Marks(), "a.yaml", 0)
    assert (document.value(path), document.has(path)) == (value, has)
    assert document.holds(path) is (value is not None)
