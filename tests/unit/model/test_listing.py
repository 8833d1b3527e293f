"""Names and counts in a sentence."""

from __future__ import annotations

import pytest

from reconciler.model.listing import counted, listed


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 checks"), (1, "1 check"), (2, "2 checks"), (1000, "1,000 checks")]
)
def test_a_count_agrees_with_its_noun(count: int, text: str) -> None:
    assert counted(count, "check") == text


def test_a_plural_that_an_s_does_not_make() -> None:
    assert [counted(number, "address", "addresses") for number in (1, 2)] == ["1 address", "2 addresses"]


def test_names_beyond_the_most_are_counted() -> None:
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
