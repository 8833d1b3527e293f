"""`tunnelwright secret set --missing`: a key for each file that documents name and that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.load import load_tree
from reconciler.model.errors import ExitCode
from reconciler.validate import validate
from tests.unit.validate.test_topologies import sites, topology

KEYS = {"mode": "psk", "key": {"age": "keys/{a}--{b}.age"}}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    documents = [*sites(1, 2, 3), topology(mesh={"labels": {"role": "branch"}}, authentication=KEYS)]
    (folder / "all.yaml").write_text("\n---\n".join(map(json.dumps, documents)))
    return folder


def secret(tree: Path, *words: str) -> int:
    return main(["secret", *words, "--tree", str(tree), "--secrets", str(tree.parent / "secrets")])


def test_each_missing_key_of_a_topology_is_written_once(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [item.code for item in validate(load_tree(tree))[1].errors] == ["key-file-missing"] * 3
    assert secret(tree, "init") == 0
    assert secret(tree, "set", "keys/r1--r2.age", "--random") == 0
    first = (tree / "keys" / "r1--r2.age").read_bytes()
    capsys.readouterr()
    assert secret(tree, "set", "--missing") == 0
    said = capsys.readouterr().out
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        f"{tree}/keys/r1--r3.age",
        f"{tree}/keys/r2--r3.age",
    ]
    assert (tree / "keys" / "r1--r2.age").read_bytes() == first
    assert list(validate(load_tree(tree))[1]) == []
    assert secret(tree, "set", "--missing") == 0
    assert capsys.readouterr().out == ""


def test_a_name_or_missing_is_needed_and_not_both(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((), ("--missing", "keys/a.age")):
        with pytest.raises(SystemExit) as ended:
            secret(tree, "set", *words)
        assert ended.value.code == ExitCode.ERROR
    capsys.readouterr()
