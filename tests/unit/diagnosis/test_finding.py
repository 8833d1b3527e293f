"""A finding is at the line of the document that describes the tunnel end, whichever kind that is."""

from __future__ import annotations

import pytest

from reconciler.diagnosis.finding import found, locate
from reconciler.load import load_tree
from reconciler.validate import validate
from tests.unit.scaling.ring import write_connected_ring


@pytest.mark.parametrize(
    ("path", "field", "line"),
    [
        ("source.networks", "spec.ends[1].networks", 11),
        ("peer.cidrs", "spec.ends[0].networks", 8),
        ("peer.address", "spec.ends[0].vip", 7),
        ("authentication.key", "spec.authentication.key", 12),
    ],
)
def test_a_finding_at_an_end_of_a_connection_is_located_in_it(
    tmp_path_factory: pytest.TempPathFactory, path: str, field: str, line: int
) -> None:
    loaded = load_tree(write_connected_ring(tmp_path_factory.mktemp("tree") / "ring", 3))
    fabric, errors = validate(loaded)
    assert errors.errors == ()
    end = fabric.tunnels["tunnel-0001-0002-router-0002"]
    item = locate(found("code", end, path, "message"), loaded.documents, [end.labels])
    assert (item.field.kind, item.field.name, str(item.field)) == (
        "IPsecConnection",
        "tunnel-0001-0002",
        field,
    )
    assert (item.location.file, item.location.line) == ("tunnel-0001.yaml", line)


def test_a_finding_at_a_default_is_located_where_the_defaults_of_that_tunnel_say_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tree = write_connected_ring(tmp_path_factory.mktemp("tree") / "ring", 3)
    for name, selector in (("rome", "site: rome"), ("berlin", "site: berlin")):
        (tree / f"{name}.yaml").write_text(
            "apiVersion: tunnelwright/v1\nkind: FabricDefaults\n"
            f"metadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{{selector}}}}}\n"
            "  ike: {dhGroup: 19}\n"
        )
    loaded = load_tree(tree)
    fabric, errors = validate(loaded)
    assert errors.errors == ()
    item = found("code", fabric.tunnels["tunnel-0001-0002-router-0002"], "ike.dhGroup", "message")
    for labels, file in (([{}], "common.yaml"), ([{}, {"site": "berlin"}], "berlin.yaml")):
        assert locate(item, loaded.documents, labels).location.file == file
