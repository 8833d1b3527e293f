"""Every code of a finding is documented, and some evidence leads to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import reconciler.diagnosis
from reconciler.diagnosis.diagnose import EXPLAINED_BY, RULES, SYMPTOMS
from tests.unit.diagnosis.tables import ROWS

NO_FAILURES = {"clock-differs"}
"""Codes that are always warnings."""
ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/reference/diagnosis.md"


def codes_in_source() -> set[str]:
    folder = Path(str(reconciler.diagnosis.__file__)).parent
    return set(codes(r'found\(\s*"([a-z-]+)"', (path.read_text() for path in folder.glob("*.py"))))


def codes(pattern: str, texts: Iterable[str]) -> list[str]:
    return [code for text in texts for code in re.findall(pattern, text)]


def test_every_code_is_documented_and_has_a_row() -> None:
    known = codes_in_source()
    assert len(known) >= len(RULES) - 1
    assert set(codes(r"(?m)^\| `([a-z-]+)` \|", [PAGE.read_text()])) == known
    assert {code for _, _, found in ROWS for code, _ in found} == known - NO_FAILURES
    assert {*EXPLAINED_BY, *SYMPTOMS, *(c for codes_ in EXPLAINED_BY.values() for c in codes_)} <= known
