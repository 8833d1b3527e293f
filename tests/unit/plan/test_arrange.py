"""What is left of a plan when a part of it is left out: an address moves as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from reconciler.diff import diff_router
from reconciler.model.absence import Absence, AbsenceKind
from reconciler.model.fabric import Fabric
from reconciler.model.operation import AddAddress, RemoveAddress
from reconciler.model.plan import Duplicate, Phase, ResourceChange
from reconciler.model.router_config import RouterConfig, RouterState
from reconciler.plan.moves import Left, Moves, arrange
from tests.fabrics import RING, ring
from tests.unit.plan.test_fleet import compiled, held

HOSTS = tuple(f"203.0.113.{number}" for number in range(11, 17))
SWAPPED = (HOSTS[2], HOSTS[1], HOSTS[0], *HOSTS[3:])
"""The outer VIPs of ada and bob have each other's address."""
MOVED = {("ada", HOSTS[2]), ("bob", HOSTS[0])}


def arranged(
    wanted: Fabric,
    without: Collection[str] = (),
    dead: Collection[str] = (),
    waiting: Mapping[str, Collection[str]] | None = None,
) -> Moves:
    """What is left when the ring becomes `wanted`, without some resources and routers; some groups wait."""
    desired: dict[str, RouterConfig] = compiled(wanted)
    live: dict[str, RouterState] = {
        name: state for name, state in held(ring(HOSTS)).items() if name not in dead
    }
    changes = {name: diff_router(desired[name], live[name]) for name in live}
    kept = {name: [c for c in found if str(c.resource) not in without] for name, found in changes.items()}
    groups = {name: (waiting or {}).get(name, ()) for name in live}
    left = Left(kept, groups, {name: Absence(AbsenceKind.UNREACHABLE, "it is off") for name in dead})
    return arrange(left, desired, live)


def vips(found: Moves, kind: type) -> set[tuple[str, str]]:
    """(router, address) of what is added or taken away."""
    return {
        (name, step.operation.address.host)
        for name, changes in found.kept.items()
        for change in changes
        for step in change.steps
        if isinstance(step.operation, kind) and isinstance(step.operation, AddAddress | RemoveAddress)
    }


def tunnels(changes: Collection[ResourceChange]) -> set[str]:
    return {change.resource.name for change in changes if change.resource.is_tunnel}


def test_an_addition_names_the_routers_that_lose_the_address_first() -> None:
    found = arranged(ring(SWAPPED))
    assert vips(found, AddAddress) == MOVED
    assert vips(found, RemoveAddress) == {("ada", HOSTS[0]), ("bob", HOSTS[2])}
    after = {
        (step.router, step.operation.after, step.summary)
        for changes in found.kept.values()
        for change in changes
        for step in change.steps
        if isinstance(step.operation, AddAddress)
    }
    assert after == {
        ("ada", ("bob",), f"add {HOSTS[2]}/24 to eth0, once it is gone from bob, and announce it"),
        ("bob", ("ada",), f"add {HOSTS[0]}/24 to eth0, once it is gone from ada, and announce it"),
    }
    assert (found.withheld, found.duplicates) == ({}, ())


def test_what_gives_no_address_away_gets_none_and_its_tunnels_wait_at_both_ends() -> None:
    """One removal is left out: a ring of changes comes to a halt, over several rounds."""
    found = arranged(ring(SWAPPED), without={f"ada/vip/{HOSTS[0]}"})
    assert (vips(found, AddAddress), vips(found, RemoveAddress)) == (set(), set())
    assert found.withheld == {
        "ada-out": f"{HOSTS[2]} is on eth0 of bob",
        "bob-in": f"{HOSTS[2]} is on eth0 of bob",
        "bob-out": f"{HOSTS[0]} is on eth0 of ada",
        "cyd-in": f"{HOSTS[0]} is on eth0 of ada",
    }
    assert all(tunnels(changes) == set() for changes in found.kept.values())


def test_an_address_stays_where_the_router_that_gets_it_has_no_part() -> None:
    assert vips(arranged(ring(SWAPPED), dead={"bob"}), RemoveAddress) == set()


def test_an_address_stays_while_a_tunnel_runs_by_it() -> None:
    found = arranged(ring(SWAPPED), without={"ada/tunnel/ada-out"})
    assert ("ada", HOSTS[0]) not in vips(found, RemoveAddress)
    assert ("bob", HOSTS[0]) not in vips(found, AddAddress)


def test_an_address_that_only_waiting_tunnels_need_is_not_added() -> None:
    fresh = ring(("203.0.113.77", *HOSTS[1:]))
    groups = {change.group for change in arranged(fresh).kept["ada"] if change.resource.name == "ada-out"}
    assert vips(arranged(fresh), AddAddress) == {("ada", "203.0.113.77")}
    waits = arranged(fresh, without={"ada/tunnel/ada-out"}, waiting={"ada": groups})
    assert vips(waits, AddAddress) == set()


def test_an_address_that_two_places_would_have_is_reported() -> None:
    found = arranged(ring(SWAPPED), without={f"ada/vip/{HOSTS[0]}"})
    [first, second] = found.duplicates
    assert isinstance(first, Duplicate)
    assert [
        (item.address, [held.router for held in item.holders], item.wanted) for item in (first, second)
    ] == [
        (HOSTS[0], ["ada"], ("bob",)),
        (HOSTS[2], ["bob"], ("ada",)),
    ]


def _shown(item: Duplicate) -> tuple[str, list[str], tuple[str, ...]]:
    return item.address, [held.router for held in item.holders], item.wanted


def test_without_moves_nothing_changes() -> None:
    same = ring(HOSTS)
    changed = replace(
        same, tunnels={n: replace(t, esp=replace(t.esp, lifetime=1800)) for n, t in same.tunnels.items()}
    )
    found = arranged(changed)
    assert {name: tunnels(changes) for name, changes in found.kept.items()} == {
        name: {f"{name}-in", f"{name}-out"} for name in RING
    }
    assert not any(
        step.phase is Phase.WITHDRAW for c in found.kept.values() for change in c for step in change.steps
    )
