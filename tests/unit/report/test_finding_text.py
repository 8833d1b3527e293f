"""The last line of a diagnosis: failures and warnings are counted, and only without both nothing is wrong."""

from __future__ import annotations

import pytest

from reconciler.report.finding_text import summary_line


@pytest.mark.parametrize(
    ("failures", "warnings", "said"),
    [
        (0, 0, "nothing is wrong"),
        (2, 0, "2 findings"),
        (0, 1, "1 warning"),
        (1, 2, "1 finding and 2 warnings"),
    ],
)
def test_what_was_found_is_counted(failures: int, warnings: int, said: str) -> None:
    assert summary_line(3, failures, warnings).text == f"Diagnosed 3 tunnels: {said}."
