"""Nothing writes past the encoders: a writer that is new cannot forget them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STREAMS = {"reconciler/cli/output.py", "reconciler/cli/streams.py"}
"""Who may write to the standard streams."""
PROGRAMS = {"lab/image/send.py"}
"""What runs in a container of the lab and imports nothing of ours."""
FILES = sorted(
    str(path.relative_to(ROOT)) for folder in ("reconciler", "lab") for path in (ROOT / folder).rglob("*.py")
)


IN_REPORTS = [file for file in FILES if file.startswith(("reconciler/report", "reconciler/cli"))]


def writes(source: str) -> Iterator[str]:
    """`print(…)`, and `write` or `writelines` of a standard stream."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called == "print" or called.startswith(("sys.stdout.write", "sys.stderr.write", "os.write")):
                yield f"{node.lineno}: {called}"


@pytest.mark.parametrize("file", FILES)
def test_one_module_writes_to_the_standard_streams(file: str) -> None:
    if file not in STREAMS | PROGRAMS:
        assert not list(writes((ROOT / file).read_text(encoding="utf-8")))


def test_the_search_finds_what_writes() -> None:
    for file in STREAMS:
        assert list(writes((ROOT / file).read_text(encoding="utf-8")))


def objects_of_json(source: str) -> Iterator[str]:
    """Literals of objects with a `type`: those of the JSON output."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict) and any(
            isinstance(key, ast.Constant) and key.value == "type" for key in node.keys
        ):
            yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("file", IN_REPORTS)
def test_one_room_makes_the_objects_of_the_json_output(file: str) -> None:
    if not file.startswith("reconciler/report/json/"):
        assert not list(objects_of_json((ROOT / file).read_text(encoding="utf-8")))


def test_the_search_finds_the_objects() -> None:
    assert list(objects_of_json((ROOT / "reconciler/report/json/results.py").read_text(encoding="utf-8")))


def json_of_reports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"json.dumps", "json.dump"}:
            yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("file", IN_REPORTS)
def test_reports_write_json_in_one_way(file: str) -> None:
    """But for a digest, and a value inside a line, which is visible by construction."""
    allowed = {"reconciler/report/encoding.py", "reconciler/report/settings_text.py"}
    found = [
        call for call in json_of_reports((ROOT / file).read_text(encoding="utf-8")) if "sort_keys" not in call
    ]
    assert file in allowed or not found


def encoders(source: str) -> Iterator[str]:
    """What puts a text together from its characters by whether each is printable."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".join"):
            made = [ast.unparse(given) for given in node.args if _of_characters(given)]
            yield from (f"{node.lineno}: {given}" for given in made if "isprintable" in given)


def _of_characters(given: ast.expr) -> bool:
    return isinstance(given, ast.GeneratorExp | ast.ListComp) and isinstance(given.elt, ast.IfExp)


QUOTES = {"reconciler/model/decoding.py"}
"""Who quotes whole names as `repr` does, which no output takes for its own."""


@pytest.mark.parametrize("file", FILES)
def test_one_module_makes_foreign_text_visible(file: str) -> None:
    found = list(encoders((ROOT / file).read_text(encoding="utf-8")))
    assert bool(found) is (file in QUOTES | {"reconciler/model/visible.py"}), found
