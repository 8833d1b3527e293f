"""The order in which networks are written means nothing, and neither does the one a router has them in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.compile.as_applied import as_applied
from reconciler.compile.router import compile_router
from reconciler.facets import files
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Plan
from reconciler.model.router_config import LiveFile, RouterConfig, RouterState
from reconciler.model.secret import Secret
from reconciler.plan.fleet import make_plan
from tests.contract.sites import backwards, change_tunnels
from tests.fabrics import two_routers

PARIS, TOKYO = ("10.1.0.0/24", "10.1.1.0/24", "10.1.10.0/24"), ("10.2.0.0/24", "10.2.1.0/24", "10.2.10.0/24")


def fabric(version: int, order: int = 1) -> Fabric:
    made = change_tunnels(two_routers(), ike__version=version)
    ends = {"paris-tokyo": (PARIS, TOKYO), "tokyo-paris": (TOKYO, PARIS)}
    tunnels = {
        name: replace(made.tunnels[name], local_cidrs=here[::order], peer_cidrs=there[::order])
        for name, (here, there) in ends.items()
    }
    return replace(made, tunnels=tunnels)


def compiled(version: int, order: int = 1) -> dict[str, RouterConfig]:
    made = fabric(version, order)
    keys = {tunnel.psk: Secret(b"a key") for tunnel in made.tunnels.values()}
    return {name: compile_router(made, name, keys, Secret(b"f")) for name in made.routers}


def earlier(config: RouterConfig, edit: Callable[[bytes], bytes] = lambda content: content) -> RouterState:
    """The router as that version left it, its files changed by hand afterwards."""
    state = as_applied(config)
    written = {
        files.file_name(name): LiveFile(
            Secret(edit(files.render(replace(connection, settings=backwards(connection.settings))).reveal())),
            files.MODE,
        )
        for name, connection in config.connections.items()
    }
    live = {name: backwards(settings) for name, settings in state.connections.items()}
    return replace(state, connections=live, files=written)


def plan(version: int, edit: Callable[[bytes], bytes] = lambda content: content) -> Plan:
    desired = compiled(version)
    return make_plan(desired, {name: earlier(config, edit) for name, config in desired.items()})


@pytest.mark.parametrize("version", [1, 2])
def test_another_order_in_git_is_the_same_configuration(version: int) -> None:
    assert compiled(version) == compiled(version, -1)


@pytest.mark.parametrize("version", [1, 2])
def test_a_router_with_another_order_is_as_desired(version: int) -> None:
    desired = compiled(version)
    assert all(earlier(config).files != as_applied(config).files for config in desired.values())
    assert plan(version).changes == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"10.1.1.0/24", b"10.1.9.0/24"),
        (b"esp_proposals = aes256", b"esp_proposals = aes128"),
        (b"# W", b"# w"),
    ],
    ids=["network", "proposal", "comment"],
)
def test_what_else_differs_in_the_file_is_seen_all_the_same(old: bytes, new: bytes) -> None:
    found = plan(2, lambda content: content.replace(old, new))
    assert {change.resource.name for change in found.changes} == {"paris-tokyo", "tokyo-paris"}


@pytest.mark.parametrize("version", [1, 2])
def test_a_network_more_or_less_is_a_difference(version: int) -> None:
    desired = compiled(version)
    made = fabric(version)
    smaller = replace(
        made,
        tunnels={name: replace(t, peer_cidrs=t.peer_cidrs[1:]) for name, t in made.tunnels.items()},
    )
    keys = {tunnel.psk: Secret(b"a key") for tunnel in made.tunnels.values()}
    wanted = {name: compile_router(smaller, name, keys, Secret(b"f")) for name in made.routers}
    assert make_plan(wanted, {name: earlier(config) for name, config in desired.items()}).changes
