"""Where routers and connections are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.model import bounds
from reconciler.model.condition import State
from reconciler.page.topology import ALONE, HEIGHT, WIDTH, Drawing, clusters, drawing


def connection(here: str, there: str = "", state: State = State.UP) -> Any:
    """As far as a drawing needs it."""
    names = [name for name in (here, there) if name]
    ends = [
        SimpleNamespace(tunnel=SimpleNamespace(router=name, peer_address="198.51.100.9")) for name in names
    ]
    return SimpleNamespace(name=f"{here}-{there}", state=state, ends=ends)


def star(hub: str, spokes: int) -> list[Any]:
    return [connection(hub, f"{hub}-{number:04}") for number in range(spokes)]


def routers(found: Iterable[Any]) -> set[str]:
    return {end.tunnel.router for one in found for end in one.ends}


def drawn(found: list[Any], cluster: str | None = None) -> Drawing:
    shown = drawing(found, routers(found), cluster)
    assert shown is not None
    return shown


def test_each_router_has_a_place_of_its_own_inside_the_drawing() -> None:
    names = [f"r{number:02}" for number in range(bounds.PAGE_NODES)]
    shown = drawn([connection(*pair) for pair in combinations(names, 2)])
    assert len(shown.places) == bounds.PAGE_NODES
    assert all(0 < place.x < WIDTH and 0 < place.y < HEIGHT for place in shown.places)
    assert min(abs(a.x - b.x) + abs(a.y - b.y) for a, b in combinations(shown.places, 2)) > 2 * max(
        place.radius for place in shown.places
    )


def test_the_hub_of_a_star_is_in_the_middle() -> None:
    shown = drawn(star("hub", 8))
    [hub] = [place for place in shown.places if place.name == "hub"]
    assert (hub.x, hub.y) == (WIDTH / 2, HEIGHT / 2)


def test_lines_have_the_state_of_the_worst_connection_and_the_worst_is_on_top() -> None:
    shown = drawn([connection("a", "b"), connection("a", "b", State.DOWN), connection("a", "c")])
    assert [(line.here.name, line.there.name, line.state) for line in shown.lines] == [
        ("a", "c", State.UP),
        ("a", "b", State.DOWN),
    ]
    assert len(shown.lines[1].names) == 2


def test_an_unmanaged_peer_is_drawn() -> None:
    shown = drawn([connection("a")])
    assert {(place.name, place.kind) for place in shown.places} == {("a", "router"), ("198.51.100.9", "peer")}


def test_the_arcs_of_a_place_are_the_shares_of_its_states() -> None:
    shown = drawn([connection("a", "b"), connection("a", "c", State.DOWN)])
    [place] = [place for place in shown.places if place.name == "a"]
    assert place.arcs == ((State.DOWN, 0.0, 50.0), (State.UP, 50.0, 50.0))


def test_of_a_large_fabric_clusters_are_drawn() -> None:
    found = [*star("east", 900), *star("west", 1100), connection("east", "west", State.DEGRADED)]
    shown = drawn(found)
    assert {(place.name, place.routers) for place in shown.places} == {("east", 901), ("west", 1101)}
    assert [line.state for line in shown.lines] == [State.DEGRADED]
    inside = drawn(found, "east")
    assert len(inside.squares) == bounds.PAGE_SQUARES
    assert len(inside.squares) + inside.more == 901
    assert drawing(found, routers(found), "nowhere") is None


def test_a_small_cluster_is_drawn_router_by_router_with_its_neighbours() -> None:
    found = [*star("east", 50), *star("west", 5), connection("east", "west")]
    shown = drawn(found, "west")
    kinds = {place.name: place.kind for place in shown.places}
    assert kinds["west-0003"] == "router"
    assert kinds["east"] == "cluster"


def test_a_mesh_has_no_more_clusters_than_are_drawn() -> None:
    names = [f"r{number:03}" for number in range(120)]
    found = [connection(a, b) for a, b in zip(names, [*names[1:], names[0]], strict=True)]
    assert len({*clusters(found, names).values()}) <= bounds.PAGE_CLUSTERS


def test_a_router_without_connections_is_in_no_cluster_of_others() -> None:
    found = star("east", 50)
    assert clusters(found, [*sorted(routers(found)), "lone"])["lone"] == ALONE


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_tiny_fabric_is_drawn_too(count: int) -> None:
    names = [f"r{number}" for number in range(count)]
    shown = drawing([], names)
    assert shown is not None
    assert len(shown.places) == count
