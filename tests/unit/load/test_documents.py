"""What a document says of itself before its schema is checked."""

from __future__ import annotations

import pytest

from reconciler.load.documents import Document, Marks


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
