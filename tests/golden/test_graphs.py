"""Fabrics as pictures: each `graphs/<name>.mmd` is what `tunnelwright graph` makes of the folder named here.

`UPDATE_GOLDEN=1 pytest tests/golden` writes them anew; read the difference before committing it.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.report.mermaid import graph_lines
from tests.fabrics import two_routers

ROOT = Path(__file__).parents[2]
GRAPHS = Path(__file__).parent / "graphs"
TREES = {"desired-state": "desired_state", "examples": "docs/reference/examples"}


@pytest.mark.parametrize("name", TREES)
def test_the_graph_is_the_golden_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", str(ROOT / TREES[name])]) == 0
    text = capsys.readouterr().out
    golden = GRAPHS / f"{name}.mmd"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()
    assert main(["graph", str(ROOT / TREES[name]), "--json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [item["type"] for item in objects] == ["version", "graph"]
    assert objects[1]["mermaid"] + "\n" == text


def test_one_disabled_end_is_enough_for_a_dashed_line() -> None:
    fabric = two_routers()
    for name in fabric.tunnels:
        tunnels = {**fabric.tunnels, name: replace(fabric.tunnels[name], enabled=False)}
        (line,) = [text for text in graph_lines(replace(fabric, tunnels=tunnels)) if "disabled" in text]
        assert line == '    vip_paris_vip -.-|"paris-tokyo<br>tokyo-paris<br>disabled"| vip_tokyo_vip'


def test_many_networks_behind_a_peer_are_counted() -> None:
    fabric = two_routers()
    cidrs = tuple(f"172.16.{number}.0/24" for number in range(7))
    alone = replace(fabric.tunnels["paris-tokyo"], other_end=None, peer_cidrs=cidrs)
    text = "\n".join(graph_lines(replace(fabric, tunnels={alone.name: alone})))
    assert "172.16.3.0/24<br>and 3 more" in text
    assert "172.16.4.0/24" not in text


def test_no_name_can_leave_its_quotes() -> None:
    """Names are DNS labels; should they ever be more, they are still text and nothing else."""
    hostile = 'end"]; click x "javascript:alert(1)" <b> #quot; `%%` | \n subgraph'
    fabric = two_routers()
    router = replace(fabric.routers["paris"], name=hostile)
    vip = replace(fabric.vips["paris-vip"], name=hostile, router=hostile)
    tunnel = replace(fabric.tunnels["paris-tokyo"], name=hostile, router=hostile, vip=vip, other_end=None)
    changed = replace(fabric, routers={hostile: router}, vips={hostile: vip}, tunnels={hostile: tunnel})
    lines = list(graph_lines(changed))
    assert sum("javascript" in line for line in lines) >= 3
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_ (){}/=|:.\[\]-]*", re.sub(r'"[^"]*"', "", line))
        for text in re.findall(r'"([^"]*)"', line):
            assert not re.search(r"[<>`|\\\n]|#(?!\d+;)", text.replace("<br>", ""))


def test_the_reference_shows_the_golden_graph() -> None:
    page = (ROOT / "docs/reference/command-line.md").read_text()
    assert f"```mermaid\n{(GRAPHS / 'examples.mmd').read_text()}```\n" in page
