"""A folder without a document is valid, deletes nothing, and is reported everywhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.load import load_revision, load_tree
from reconciler.model.errors import ExitCode
from reconciler.operations.revisions import between
from reconciler.validate import validate
from tests.fabrics import many_tunnels
from tests.unit.load.sources import commit, write


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ["no-documents"]),
        ({"README.md": "# Tunnels\n"}, ["no-documents"]),
        ({"a.yaml": "# nothing yet\n"}, ["file-empty", "no-documents"]),
        ({"vips.lock.yaml": "a: 203.0.113.1\n"}, ["lock-stale", "no-documents"]),
        ({"a.YAML": "a: 1\n"}, ["file-suffix"]),
        ({"a.yaml": "a: [\n"}, ["yaml-syntax"]),
    ],
)
def test_it_is_reported_where_nothing_else_hides_documents(
    tmp_path: Path, files: dict[str, str], expected: list[str]
) -> None:
    write(tmp_path, {**files, "there/is": "a folder\n"})
    _, found = validate(load_tree(tmp_path))
    assert sorted(item.code for item in found) == expected
    commit(tmp_path)
    _, found = validate(load_revision(tmp_path, "HEAD"))
    assert sorted(item.code for item in found) == expected


@pytest.mark.parametrize("command", ["validate", "graph", "plan"])
def test_a_command_says_so(tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tree").mkdir()
    assert main([command, str(tmp_path / "tree")]) == ExitCode.OK
    assert "there is no document in the folder, so no router is described" in capsys.readouterr().err


def test_validate_says_how_many_it_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = (
        "apiVersion: tunnelwright/v1\nkind: VpcNetwork\nmetadata: {name: n%d}\nspec: {cidr: 10.%d.0.0/24}\n"
    )
    write(tmp_path, {"a.yaml": "---\n".join(network % (n, n) for n in (1, 2)), "b.yaml": network % (3, 3)})
    assert main(["validate", str(tmp_path)]) == ExitCode.OK
    assert "in 3 documents" in capsys.readouterr().out
    assert main(["validate", "--json", str(tmp_path)]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["documents"] == 3


def test_it_deletes_nothing(tmp_path: Path) -> None:
    """Of routers that no document describes nothing is planned; each of them is named."""
    fabric, _ = validate(load_tree(tmp_path))
    step = between(many_tunnels(20), fabric, datetime(2026, 5, 9, tzinfo=UTC))
    assert step.plan.empty
    assert len([note for note in step.notes if "everything on it stays" in note]) == 2
