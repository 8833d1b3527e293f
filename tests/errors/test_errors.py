"""Each folder is a case: its files are laid over `base`, and `expected.txt` lists what is reported.

`python -m tests.errors.test_errors` writes the expectations anew; read the difference before it is committed.
"""

from __future__ import annotations

import ast
import shutil
import tempfile
from pathlib import Path

import pytest

import reconciler.load
import reconciler.validate
from reconciler.load import load_tree
from reconciler.validate import validate
from reconciler.validate.schema_errors import CUSTOM_CODES

FOLDER = Path(__file__).parent
BASE = FOLDER / "base"
EXPECTED = "expected.txt"
CASES = sorted(path for path in FOLDER.iterdir() if path.is_dir() and not path.name.startswith("_"))

# What a folder of files cannot show: tests/unit/load and tests/unit/validate do.
ELSEWHERE = {
    "document-too-large",
    "embedded-repository",
    "file-name",
    "file-too-large",
    "file-unreadable",
    "no-documents",
    "range-exhausted",
    "symbolic-link",
    "too-many-ends",
    "too-many-findings",
    "too-many-names",
    "too-many-pairs",
    "yaml-too-large",
    "tree-too-large",
}


def report(case: Path, work: Path) -> str:
    """The findings of a case, one a line."""
    shutil.copytree(BASE, work, dirs_exist_ok=True)
    shutil.copytree(case, work, dirs_exist_ok=True)
    _, found = validate(load_tree(work))
    return "".join(f"{item.location} {item.severity} {item.code} {item.message}\n" for item in found)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case_reports_exactly_what_is_expected(case: Path, tmp_path: Path) -> None:
    assert [path.name for path in case.iterdir()] != [EXPECTED], "a case without a file tries nothing"
    assert report(case, tmp_path) == (case / EXPECTED).read_text(encoding="utf-8")


def codes_in_source() -> set[str]:
    """Every code that is passed to `error`, `warning` or `report`, and those of the schema."""
    codes = set(CUSTOM_CODES.values())
    for package in (reconciler.load, reconciler.validate):
        for path in Path(str(package.__file__)).parent.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                name = node.func.id if isinstance(node.func, ast.Name) else name
                if name in {"error", "warning", "report", "_report"}:
                    codes |= {
                        str(argument.value)
                        for argument in node.args[:2]
                        if isinstance(argument, ast.Constant)
                    }
    return codes


def test_every_code_has_a_case() -> None:
    covered = {
        line.split(" ")[2]
        for case in CASES
        for line in (case / EXPECTED).read_text(encoding="utf-8").splitlines()
    }
    assert codes_in_source() == covered | ELSEWHERE


if __name__ == "__main__":
    for folder in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            (folder / EXPECTED).write_text(report(folder, Path(scratch)), encoding="utf-8")
