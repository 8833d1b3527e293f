"""Documents as text: a stream of YAML, a difference, and what was joined."""

from __future__ import annotations

from reconciler.importing.yaml_text import yaml_text
from reconciler.model.diagnostic import Location
from reconciler.report.document_text import converted_lines, difference_lines, documents_text
from reconciler.report.line import joined

BODY = {"kind": "Vip", "spec": {"description": "östlich " + 100 * "x", "names": ["a", "b"]}}


def test_a_stream_has_the_place_of_each_document_and_is_ascii() -> None:
    text = documents_text([(Location("a\u202e.yaml", 3, 1), BODY), (Location("b.yaml"), {"kind": "Vip"})])
    first, second = text.split("---\n")
    assert text.isascii()
    assert first.startswith("# a\\u202e.yaml:3:1\nkind: Vip\nspec:\n  description:")
    assert second.splitlines()[1:] == ["kind: Vip"]


def test_a_value_stays_on_its_line_and_lists_are_indented_where_they_are() -> None:
    text = yaml_text(BODY)
    assert "östlich" in text
    assert text.splitlines()[-3:] == ["  names:", "    - a", "    - b"]
    assert len(text.splitlines()) == 6
    assert yaml_text(BODY, indented=False).splitlines()[-2:] == ["  - a", "  - b"]


def test_a_file_that_is_removed_differs_from_nothing() -> None:
    gone = joined(difference_lines("t/a.yaml", "x\n", "")).splitlines()
    assert gone == ["--- t/a.yaml", "+++ /dev/null", "@@ -1 +0,0 @@", "-x"]
    assert joined(difference_lines("t/a.yaml", "x\n", "y\n")).splitlines()[1] == "+++ t/a.yaml"


def test_joined_pairs_are_listed_and_counted() -> None:
    assert joined(converted_lines([])) == "0 pairs converted.\n"
    lines = joined(converted_lines([("t/a.yaml", "a--b", ("a-to-b", "b-to-a"))])).splitlines()
    assert lines == ["t/a.yaml: a--b from a-to-b and b-to-a", "1 pair converted."]
