"""Sheets for the other end as people read them. Each folder of `sheets` holds a `desired.yaml` with one
tunnel, and a text for each format; where a format cannot express the tunnel, its text is the reason.

`UPDATE_GOLDEN=1 pytest tests/golden` writes the texts anew; read the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.report.sheets import FORMATS
from tests.allowed import ALLOWED

HERE = Path(__file__).parent / "sheets"
CASES = sorted(path.parent.name for path in HERE.glob("*/desired.yaml"))
WITH_KEY = {"any-character", "any-key"}
# It has a space at its end, a quote of each kind, a backslash and what is not ASCII.
KEY = "a \"golden\" 'key' \\ ?\u00e9 "


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_the_sheet_is_the_golden_one(
    case: str,
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable, value in {"KEY": KEY, **ALLOWED}.items():
        monkeypatch.setenv(variable, value)
    (tmp_path / "desired.yaml").write_text((HERE / case / "desired.yaml").read_text())
    name = "headquarters-to-warehouse" if case == "ikev1-networks" else "partner"
    with_key = ["--with-key"] if case in WITH_KEY else []
    status = main(["peer-sheet", name, str(tmp_path), "--format", form, *with_key])
    shown = capsys.readouterr()
    text = shown.out if status == 0 else "".join(shown.err.partition("error: ")[1:])
    golden = HERE / case / f"{form}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()
