"""`tunnelwright explain`: each value with the file and line that says it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from schemas.generate import ROOT

LABELLED = """\
apiVersion: tunnelwright/v1
kind: FabricDefaults
metadata: {name: partners}
spec:
  selector: {matchLabels: {tier: partner}}
  ike:
    lifetime: 7200
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The desired state of this repository, with labels, defaults that select, and an end's own lifetime."""
    tree = shutil.copytree(ROOT / "desired_state", tmp_path / "tree")
    (tree / "partners.yaml").write_text(LABELLED)
    pair = tree / "site-a--site-c.yaml"
    text = pair.read_text().replace(
        "  name: site-a--site-c\n", "  name: site-a--site-c\n  labels: {tier: partner}\n"
    )
    pair.write_text(
        text.replace("      name: c-to-a\n", "      name: c-to-a\n      ipsec: {lifetime: 900}\n")
    )
    return tree


def line_of(file: Path, text: str) -> str:
    """`file:line` of the only line with a text."""
    (number,) = (n for n, line in enumerate(file.read_text().splitlines(), 1) if text in line)
    return f"{file}:{number}"


def test_each_value_has_the_line_that_says_it(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "c-to-a", str(tree)]) == ExitCode.OK
    rows = {
        words[0]: words[1:]
        for words in map(str.split, capsys.readouterr().out.splitlines())
        if len(words) > 1
    }
    pair = tree / "site-a--site-c.yaml"
    for field, value, place in (
        ("ike.lifetime", "7200", line_of(tree / "partners.yaml", "lifetime")),
        ("ipsec.lifetime", "900", line_of(pair, "ipsec: {lifetime")),
        ("ipsec.pfs", "dh-group31", line_of(pair, "dh-group31")),
        ("vip", "203.0.113.4", line_of(tree / "site-c/router.yaml", "203.0.113.4")),
        ("peer.address", "203.0.113.11", line_of(tree / "vips.lock.yaml", "203.0.113.11")),
        ("peer.cidrs[1]", "10.1.1.0/24", line_of(tree / "site-a/networks.yaml", "10.1.1.0/24")),
        ("labels.tier", "partner", line_of(pair, "tier: partner")),
    ):
        assert (rows[field][0], rows[field][1].rpartition(":")[0]) == (value, place), field
    assert rows["ike.integrity"] == ["sha256", "-", "default"]


def test_a_connection_means_both_ends(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "site-a--site-c", str(tree), "--json"]) == ExitCode.OK
    _, *objects = map(json.loads, capsys.readouterr().out.splitlines())
    assert {item["tunnel"] for item in objects} == {"a-to-c", "c-to-a"}
    group = [item for item in objects if item["field"] == "ike.lifetime"]
    assert {(item["value"], item["document"], item["line"]) for item in group} == {
        ("7200", "FabricDefaults partners", 7)
    }
    assert main(["explain", "c-to-b", str(tree)]) == ExitCode.ERROR
    assert "did you mean" in capsys.readouterr().err
