"""However much one file or document holds, it is given up within bounds."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from reconciler.load.composer import compose
from reconciler.load.documents import Document, Loaded, Source
from reconciler.model.bounds import (
    MOST_DOCUMENTS,
    MOST_SCHEMA_FINDINGS,
    MOST_VALUES,
    MOST_VALUES_OF_DOCUMENT,
    MOST_YAML_FINDINGS,
)
from reconciler.model.diagnostic import Diagnostic, Diagnostics
from reconciler.validate import validate
from tests.unit.validate.written import ROUTER, WAN, Data, document


def composed(content: bytes) -> tuple[list[Document], bool, list[Diagnostic]]:
    found = Diagnostics()
    documents, whole = compose(content, "f.yaml", found)
    return documents, whole, list(found)


@pytest.mark.parametrize(
    "content",
    [
        b"a: &x 1\n" + b"".join(b"k%d: *x\n" % number for number in range(100_000)),
        b"a:\n" + b"- *x\n" * 500_000,
        b"a: b\n" * 500_000,
        b"a:\n" + b"- !!str x\n" * 300_000,
        b"? []\n: 1\n" * 300_000,
    ],
    ids=["aliases", "alias-list", "duplicates", "tags", "keys"],
)
def test_a_file_is_given_up_after_a_hundred_findings(content: bytes) -> None:
    documents, whole, found = composed(content)
    assert documents == []
    assert not whole
    assert len(found) == MOST_YAML_FINDINGS + 1
    [given_up] = [item for item in found if item.code == "too-many-findings"]
    assert given_up.location.line <= MOST_YAML_FINDINGS * 2 + 2
    assert "100 findings in this file; the rest of it was not read" in given_up.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [" + b"1," * (MOST_VALUES + 1) + b"]", f"more than {MOST_VALUES:,} keys and values"),
        (b"--- {}\n" * (MOST_DOCUMENTS + 1), f"more than {MOST_DOCUMENTS:,} documents"),
        (b"---\n" * (MOST_DOCUMENTS + 1), f"more than {MOST_DOCUMENTS:,} documents"),
    ],
    ids=["values", "documents", "empty-documents"],
)
def test_a_file_of_too_much_is_refused(content: bytes, said: str) -> None:
    _, whole, found = composed(content)
    assert not whole
    [item] = found
    assert item.code == "yaml-too-large"
    assert said in item.message


def test_a_document_of_too_much_is_refused_before_it_is_looked_at() -> None:
    """And what refers to it is not blamed."""
    labels = {f"k{number}": "v" for number in range(MOST_VALUES_OF_DOCUMENT)}
    large = document("VpcNetwork", "lan", {"cidr": "10.1.0.0/24"}, labels=labels)
    content = "\n---\n".join(map(json.dumps, (WAN, ROUTER, large))).encode()
    documents, _, _ = composed(content)
    _, found = validate(Loaded(tuple(documents), (), Source("", ""), "", "vips.lock.yaml"))
    assert [item.code for item in found] == ["document-too-large"]
    assert documents[1].values < 100


def test_the_fields_of_one_document_are_reported_up_to_a_hundred() -> None:
    spec: Data = {"cidr": "10.1.0.0/24", **{f"field{number}": 1 for number in range(9_000)}}
    documents, _, _ = composed(json.dumps(document("VpcNetwork", "lan", spec)).encode())
    _, found = validate(Loaded(tuple(documents), (), Source("", ""), "", "vips.lock.yaml"))
    assert Counter(item.code for item in found) == {
        "unknown-field": MOST_SCHEMA_FINDINGS,
        "too-many-findings": 1,
    }
    assert any("8,900 more fields" in item.message for item in found)


def test_a_file_that_cannot_be_read_may_define_anything_when_it_is_large() -> None:
    """It is not searched for each of thousands of names."""
    small, large = (Loaded((), (), Source("", ""), "", "", unread=("x " * n + "name",)) for n in (9, 200_000))
    assert small.may_define("name")
    assert not small.may_define("other")
    assert large.may_define("other")
