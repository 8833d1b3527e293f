"""`tunnelwright expand`: its output is a desired state of the old form that means the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given

from reconciler.cli.main import main
from reconciler.load import load_tree
from reconciler.operations.expand import expanded
from reconciler.validate import validate
from schemas.generate import EXAMPLES, ROOT
from tests.unit.validate.test_connections import (
    BASE,
    PAIRS,
    Data,
    as_connection,
    read_documents,
    without_places,
)
from tests.unit.validate.test_topologies import connection, sites, topology
from tests.unit.validate.written import validated


def test_the_output_is_what_the_tree_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every field of every kind, since the examples have them all."""
    tree = shutil.copytree(ROOT / EXAMPLES, tmp_path / "tree")
    connections = tree / "IPsecConnection.yaml"
    connections.write_text(connections.read_text().replace("The hub's end", "Der Hub, \u202e östlich"))
    before, found = validate(load_tree(tree))
    assert found.errors == ()
    assert main(["expand", str(tree)]) == 0
    said = capsys.readouterr().out
    assert said.isascii()
    assert "kind: IPsecConnection" not in said
    assert f"# IPsecConnection.yaml:{4}:1\napiVersion: tunnelwright/v1\nkind: IPsecTunnel\n" in said
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "all.yaml").write_text(said)
    shutil.copy(tree / "vips.lock.yaml", plain)
    after, found = validate(load_tree(plain))
    assert list(found) == []
    wanted, has = without_places(before), without_places(after)
    assert (has.tunnels, has.vips) == (wanted.tunnels, wanted.vips)
    assert main(["expand", str(tree), "--json"]) == 0
    _, *objects = map(json.loads, capsys.readouterr().out.splitlines())
    assert {item["type"] for item in objects} == {"document"}
    assert len(objects) == said.count("\n---\n") + 1


def test_of_a_topology_is_left_what_no_connection_replaces() -> None:
    """Nothing, where each of its pairs has a document: that has none of its own then."""
    shape = topology(mesh={"labels": {"role": "branch"}})
    written = [connection(1, 2), connection(1, 3), connection(2, 3)]
    for own in (written[:2], written):
        loaded = read_documents([*sites(1, 2, 3), shape, *own])
        fabric, _ = validate(loaded)
        documents = [data for _, data in expanded(loaded, fabric)]
        assert {data["kind"] for data in documents}.isdisjoint({"IPsecTopology", "IPsecConnection"})
        assert [data["kind"] for data in documents].count("IPsecTunnel") == 6
        assert without_places(validated(documents)[0]) == without_places(fabric)


@given(PAIRS)
def test_any_connection_expands_to_documents_that_mean_the_same(pair: Data) -> None:
    loaded = read_documents([*BASE, as_connection(pair)])
    fabric, _ = validate(loaded)
    documents = [data for _, data in expanded(loaded, fabric)]
    assert [data["kind"] for data in documents].count("IPsecTunnel") == 2
    assert without_places(validated(documents)[0]) == without_places(fabric)
