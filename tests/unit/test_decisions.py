"""Every decision has a record of one form, and the list of them is whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
RECORDS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_its_parts_and_one_page(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert re.match(r"# [0-9]+\. \S", text)
    assert len(text.splitlines()) <= 60


def test_the_list_has_every_record_by_its_number_and_title() -> None:
    titles = [path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for path in RECORDS]
    numbered = [title.split(". ", 1) for title in titles]
    rows = re.findall(
        r"^\| \[([0-9]+)\]\((\S+)\) \| (.*) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE
    )
    assert rows == [
        (number, path.name, title) for path, (number, title) in zip(RECORDS, numbered, strict=True)
    ]
    assert [path.name[:4] for path in RECORDS] == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]
