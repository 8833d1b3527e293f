"""Documents that another tool writes are read from standard input."""

from __future__ import annotations

import io
import re
import runpy
import sys
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from tests.unit.cli.branch import Branch

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "how-to" / "generate-documents.md"
TREE = ROOT / "tests" / "golden" / "imports" / "tree.yaml"


class Typed:
    """What is given to a command."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def give(self, text: str) -> None:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    return Typed(monkeypatch)


@pytest.mark.parametrize("command", [["validate"], ["expand"], ["graph"]])
def test_a_dash_is_standard_input(
    command: list[str], typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    typed.give(TREE.read_text())
    assert main([*command, "-"]) == ExitCode.OK
    by_dash = capsys.readouterr()
    assert main([*command, str(TREE.parent)]) == ExitCode.OK
    assert by_dash.err == ""
    assert by_dash.out.replace("standard input", "tree.yaml") == capsys.readouterr().out


def test_findings_name_standard_input_and_the_line(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    typed.give(TREE.read_text().replace("cidr: 10.1.0.0/24", "cidr: 10.1.0.1/24"))
    assert main(["validate", "-"]) == ExitCode.INVALID
    assert "\nstandard input:14:14: error: 10.1.0.1/24 has bits set" in f"\n{capsys.readouterr().err}"
    typed.give("")
    assert main(["validate", "-"]) == ExitCode.OK
    assert (
        capsys.readouterr().err
        == "standard input: warning: the file has no document (file-empty)\n1 warning\n"
    )


def test_an_address_has_to_be_in_the_documents(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    vip = (
        "apiVersion: tunnelwright/v1\nkind: Vip\nmetadata: {name: v}\nspec: {router: r, publicNetwork: wan}\n"
    )
    typed.give(f"{TREE.read_text()}---\n{vip}")
    assert main(["validate", "-"]) == ExitCode.INVALID
    assert "hint: write its address in the document, because there is no lock file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["validate", "-", "--rev", "HEAD"], "standard input has no revisions"),
        (["plan", "-", "--out", "file"], "a plan of standard input cannot be saved"),
        (["apply", "-"], "- is not a folder"),
        (["import", "-"], "- is not a folder"),
        (["convert", "-"], "- is not a folder"),
    ],
)
def test_what_needs_a_folder_is_an_error(
    words: list[str], said: str, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    typed.give(TREE.read_text())
    assert main(words) == ExitCode.ERROR
    assert said in capsys.readouterr().err


def test_more_than_one_file_may_have_is_refused(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("reconciler.load.stream.FILE_BYTES", 10)
    typed.give(TREE.read_text())
    assert main(["validate", "-"]) == ExitCode.ERROR
    assert "standard input has more than 10 bytes" in capsys.readouterr().err


def test_a_preview_of_standard_input_has_the_addresses_of_the_base(
    tmp_path: Path, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    branch = Branch(tmp_path / "repository")
    texts = [
        path.read_text() for path in sorted(branch.tree.rglob("*.yaml")) if path.name != "vips.lock.yaml"
    ]
    text = "\n---\n".join(texts)
    typed.give(text)
    assert main(["preview", str(branch.tree), "--head", "-"]) == ExitCode.OK
    assert "No changes" in capsys.readouterr().out
    typed.give(text.replace("pfs: dh-group31", "pfs: dh-group20"))
    assert main(["preview", str(branch.tree), "--head", "-"]) == ExitCode.OK
    assert "Plan: 0 to add, 2 to change, 0 to destroy." in capsys.readouterr().out
    typed.give(text.replace("203.0.113.10", "203.0.113.11"))
    assert main(["preview", str(branch.tree), "--head", "-"]) == ExitCode.INVALID
    shown = capsys.readouterr()
    assert re.search(r"\n    see also: standard input:[0-9]+:[0-9]+\n", shown.out + shown.err)


def test_the_how_to_renders_what_is_valid(
    tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's own files, by the names that it gives them."""
    page = PAGE.read_text()
    for name in ("routers.json", "prefixes.json", "documents.yaml.j2", "render.py"):
        (tmp_path / name).write_text(_block(page, name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["render.py", "prefixes.json", "routers.json"])
    runpy.run_path("render.py")
    typed.give(capsys.readouterr().out)
    assert main(["validate", "-"]) == ExitCode.OK
    assert "Valid: 3 routers, 6 tunnel ends, 3 VIPs in 8 documents." in capsys.readouterr().out


def _block(page: str, name: str) -> str:
    """The first block of code behind the name of a file."""
    behind = page[page.index(f"`{name}`") :]
    found = re.search(r"\n```[a-z]+\n(.*?)\n```\n", behind, re.DOTALL)
    assert found is not None
    return found[1]
