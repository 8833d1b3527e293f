"""Label selectors mean what they mean to kubectl."""

from __future__ import annotations

import pytest

from reconciler.model.labels import is_selector, parse_labels

BERLIN = {"site": "berlin", "tier": "production"}
ROME = {"site": "rome", "example.org/owner": "net"}


@pytest.mark.parametrize(
    ("text", "berlin", "rome", "none"),
    [
        ("site=berlin", True, False, False),
        ("site==berlin", True, False, False),
        ("site!=berlin", False, True, True),
        ("site", True, True, False),
        ("!site", False, False, True),
        ("site in (berlin, rome)", True, True, False),
        ("site notin (berlin)", False, True, True),
        ("site=berlin,tier=lab", False, False, False),
        ("site in (berlin,rome),!tier", False, True, False),
        (" site = berlin , tier ", True, False, False),
        ("example.org/owner=net", False, True, False),
        ("site=", False, False, False),
    ],
)
def test_what_a_selector_selects(text: str, berlin: bool, rome: bool, none: bool) -> None:
    selector = parse_labels(text)
    assert [selector.matches(labels) for labels in (BERLIN, ROME, {})] == [berlin, rome, none]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ",",
        "a,",
        ",a",
        "a=b=c",
        "a in",
        "a in b",
        "a in (b",
        "a b",
        "-a=b",
        "a=-b",
        "!a=b",
        "a in (b c)",
    ],
)
def test_what_is_no_selector(text: str) -> None:
    with pytest.raises(ValueError, match="label"):
        parse_labels(text)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("paris", False), ("paris/firewall/inet tunnelwright", False), ("site=a", True), ("site in (a)", True)],
)
def test_names_are_no_selectors(word: str, expected: bool) -> None:
    assert is_selector(word) is expected
