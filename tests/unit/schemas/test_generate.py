"""What is made from the models is as committed, and says so when it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from schemas.generate import EXAMPLES, PAGES, ROOT, SCHEMAS, SETTINGS_EXAMPLE, SETTINGS_PAGE, main, stale


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Another root, with the examples and all that is generated."""
    shutil.copytree(ROOT / EXAMPLES, tmp_path / EXAMPLES)
    shutil.copy(ROOT / SETTINGS_EXAMPLE, tmp_path / SETTINGS_EXAMPLE)
    assert main([], tmp_path) == 0
    return tmp_path


def test_committed_files_are_current() -> None:
    assert stale() == []
    assert main(["--check"]) == 0


def test_what_was_written_is_current(root: Path) -> None:
    assert main(["--check"], root) == 0


def test_stale_files_are_named_and_replaced(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / SCHEMAS / "Vip.schema.json").unlink()
    (root / SCHEMAS / "Old.schema.json").write_text("{}")
    (root / PAGES / "old.md").write_text("# Old\n")
    (root / SETTINGS_PAGE).unlink()
    page = root / PAGES / "vpcnetwork.md"
    page.write_text(page.read_text().replace("\nA private network", "\nA network", 1))
    assert main(["--check"], root) == 1
    said = capsys.readouterr().err
    assert f"{SCHEMAS}/Vip.schema.json: missing" in said
    assert f"{SCHEMAS}/Old.schema.json: not in the models" in said
    assert f"{PAGES}/old.md: not in the models" in said
    assert f"{SETTINGS_PAGE}: missing" in said
    assert f'{PAGES}/vpcnetwork.md:5: has "A network' in said
    assert "python -m schemas.generate" in said
    assert main([], root) == 0
    assert stale(root) == []


def test_a_changed_example_makes_its_page_stale(root: Path) -> None:
    example = root / EXAMPLES / "Vip.yaml"
    example.write_text(example.read_text().replace("198.51.100.130", "198.51.100.131"))
    (problem,) = stale(root)
    assert problem.startswith(f"{PAGES}/vip.md:")
    settings = root / SETTINGS_EXAMPLE
    settings.write_text(settings.read_text().replace("port: 9000", "port: 9001"))
    assert any(problem.startswith(f"{SETTINGS_PAGE}:") for problem in stale(root))


def test_a_kind_without_an_example_is_a_sentence(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / EXAMPLES / "Vip.yaml").unlink()
    assert main([], root) == 1
    assert capsys.readouterr().err == f"{root / EXAMPLES / 'Vip.yaml'}: each page has an example\n"
