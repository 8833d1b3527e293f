"""Files that people and programs write -> what an import makes of them.

A folder `imports/<case>` has one file to import, and `expected.txt`: the exit code, the findings, and the
documents. `UPDATE_GOLDEN=1 pytest tests/golden` writes that anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from reconciler.cli.main import main

CASES = Path(__file__).parent / "imports"
EXPECTED = "expected.txt"


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_an_import_comes_to_what_is_expected(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [source] = [path for path in (CASES / case).iterdir() if path.name != EXPECTED]
    shutil.copy(source, tmp_path)
    (tmp_path / "tree").mkdir()
    shutil.copy(CASES / "tree.yaml", tmp_path / "tree")
    monkeypatch.chdir(tmp_path)
    words = ["--router", "r", "--files", source.name, "--secrets", "keys", "--out", "-"]
    code = main(["import", "tree", *words])
    said = capsys.readouterr()
    text = f"exit {code}\n\n{said.err}\n{said.out}"
    golden = CASES / case / EXPECTED
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()
