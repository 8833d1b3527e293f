"""Wherever a command takes the name of a tunnel, it takes the name of its connection."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.model.fabric import Origin
from reconciler.plan.targets import named
from tests.fabrics import two_routers
from tests.unit.cli.stage import Stage

NAME = "paris--tokyo"
UNKNOWN = "paris--berlin"


@pytest.fixture
def connected(stage: Stage) -> Stage:
    """The tunnel of the stage as one document."""
    assert main(["convert", str(stage.site.tree)]) == ExitCode.OK
    return stage


def test_reconnect(connected: Stage) -> None:
    before = connected.live()["paris"][3]
    words = ("--auto-approve", "--wait", "0.1")
    assert connected.main("reconnect", NAME, str(connected.site.tree), *words)[0] == ExitCode.OK
    assert connected.live()["paris"][3] != before
    code, shown = connected.main("reconnect", UNKNOWN, str(connected.site.tree), *words)
    assert (code, f"no tunnel is called {UNKNOWN}" in shown) == (ExitCode.ERROR, True)


@pytest.mark.parametrize("option", ["--target", "--exclude"])
def test_part_of_a_plan(connected: Stage, option: str) -> None:
    file = connected.site.tree / "paris-tunnel.yaml"
    file.write_text(file.read_text().replace("spec:\n", "spec:\n  enabled: false\n"))
    _, shown = connected.run("plan", "--json", option, NAME)
    (summary,) = (item for item in map(json.loads, shown.splitlines()) if item["type"] == "plan_summary")
    assert bool(summary["delete"]) == (option == "--target")
    assert connected.run("plan", option, UNKNOWN)[0] == ExitCode.ERROR


def test_status_and_diagnose(connected: Stage) -> None:
    code, shown = connected.run("status", "--json", "--target", NAME)
    assert code == ExitCode.OK
    assert '"paris-tokyo"' in shown
    assert connected.run("status", "--target", UNKNOWN)[0] == ExitCode.ERROR
    _, shown = connected.run("diagnose", NAME)
    assert "paris-tokyo" in shown
    assert f"no tunnel is called {UNKNOWN}" in connected.run("diagnose", UNKNOWN)[1]


def test_tunnels_and_routers_come_before_a_connection_of_their_name() -> None:
    fabric = two_routers()
    tunnels = {
        name: replace(tunnel, origin=Origin("IPsecConnection", "tokyo"))
        for name, tunnel in fabric.tunnels.items()
    }
    fabric = replace(fabric, tunnels=tunnels)
    assert fabric.tunnel_of("tokyo") == "paris-tokyo"
    assert named(fabric, ["tokyo", "tokyo-paris"]) == ("tokyo", "tokyo-paris")
    tunnels = {
        name: replace(t, origin=Origin("IPsecConnection", "tokyo-paris")) for name, t in tunnels.items()
    }
    assert replace(fabric, tunnels=tunnels).tunnel_of("tokyo-paris") == "tokyo-paris"
