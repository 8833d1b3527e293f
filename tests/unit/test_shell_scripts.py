"""Shell is written in files that shellcheck reads, not in strings."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("bench", "deploy", "lab", "reconciler", "scripts", "tests")
ROOMS = ("bench", "lab", "reconciler", "schemas")
MODULES = sorted(path for name in ROOMS for path in (ROOT / name).rglob("*.py"))
# What only a script has: at the beginning or the end of one of several lines, or between two commands.
SHELL = re.compile(r"\n\s*(?:set -e|fi\b|done\b|esac\b)|^set -e|; (?:then|do)\n|\w && \w")


def strings(tree: ast.Module) -> Iterator[str]:
    """Every string in a module but its docstrings; of f-strings what is constant."""
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in statements:
            continue
        yield node.value


@pytest.mark.parametrize("text", ["set -eu\nrm x\n", "\nwhile read x; do\n  y\ndone\n", "cd x && y"])
def test_a_script_is_known_by_its_words(text: str) -> None:
    assert SHELL.search(text)


def test_no_module_holds_a_script() -> None:
    assert [
        f"{path.relative_to(ROOT)}: {text[:60]!r}"
        for path in MODULES
        for text in strings(ast.parse(path.read_text(encoding="utf-8")))
        if SHELL.search(text)
    ] == []


def test_every_script_is_checked() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "check"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    [command] = [line for line in done.stdout.splitlines() if "/shellcheck " in line]
    scripts = {str(path.relative_to(ROOT)) for name in FOLDERS for path in (ROOT / name).rglob("*.sh")}
    assert len(scripts) > 20
    assert scripts - set(command.split()) == set()


def test_every_script_is_of_the_posix_shell() -> None:
    files = [path for name in FOLDERS for path in (ROOT / name).rglob("*.sh")]
    assert [path.name for path in files if not path.read_text().startswith("#!/bin/sh\n# ")] == []


def test_no_script_is_made_by_formatting() -> None:
    """What a script needs to know is an argument or a variable: `sh -c` gets no text with values in it."""
    for path in MODULES:
        lists = [
            node.elts
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.List | ast.Tuple)
        ]
        scripts = [words[2] for words in lists if [_text(word) for word in words[:2]] == ["sh", "-c"]]
        assert [script.lineno for script in scripts if isinstance(script, ast.JoinedStr | ast.BinOp)] == [], (
            path
        )


def _text(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None
