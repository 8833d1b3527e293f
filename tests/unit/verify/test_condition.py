"""The condition of a connection, from what its ends report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from reconciler.model.absence import Absence
from reconciler.model.condition import ConnectionCondition, State
from reconciler.model.errors import RouterUnreachable
from reconciler.model.plan import Resource, ResourceKind
from reconciler.model.router_config import RouterState
from reconciler.operations.observed_plan import observed_plan
from reconciler.verify.condition import as_reported, conditions
from tests.contract.sites import Site, change_tunnels, memory_site, rename_tunnels
from tests.fabrics import two_routers

Twist: TypeAlias = Callable[[RouterState], RouterState]


def children(**fields: Any) -> Twist:
    """Every CHILD_SA with other fields."""

    def twist(state: RouterState) -> RouterState:
        sas = (
            replace(sa, children=tuple(replace(child, **fields) for child in sa.children)) for sa in state.sas
        )
        return replace(state, sas=tuple(sas))

    return twist


def same(state: RouterState) -> RouterState:
    return state


def without_children(state: RouterState) -> RouterState:
    return replace(state, sas=tuple(replace(sa, children=()) for sa in state.sas))


def without_sas(state: RouterState) -> RouterState:
    return replace(state, sas=())


def connecting(state: RouterState) -> RouterState:
    return replace(state, sas=tuple(replace(sa, state="CONNECTING", children=()) for sa in state.sas))


def found(site: Site, twists: dict[str, Twist], *, silent: str = "") -> ConnectionCondition:
    """The only connection of a converged site, once the states of its routers are twisted."""
    site.apply()
    seen = observed_plan(site.fabric, site.store(), site.fleet)
    states = {
        n: twists[n](s) if n in twists else s for n, s in seen.observation.states.items() if n != silent
    }
    absent = {silent: Absence.of(RouterUnreachable("no route to host"))} if silent else {}
    [one] = conditions(site.fabric, seen.desired, states, absent, {})
    return one


@pytest.mark.parametrize(
    ("twists", "state", "reason"),
    [
        ({}, State.UP, ""),
        ({"tokyo": without_children}, State.DOWN, "no CHILD_SA at tokyo"),
        ({"paris": without_sas, "tokyo": without_sas}, State.DOWN, "no IKE_SA at paris; no IKE_SA at tokyo"),
        ({"tokyo": connecting}, State.DOWN, "the IKE_SA is CONNECTING at tokyo"),
        (
            {"tokyo": children(spi_in="c0000003", spi_out="c0000004")},
            State.DEGRADED,
            "paris holds a CHILD_SA that tokyo does not",
        ),
        (
            {"paris": children(packets_out=9), "tokyo": children(packets_in=0)},
            State.SILENT,
            "tokyo has decrypted none of 9 packets from paris",
        ),
        ({"paris": children(packets_out=9), "tokyo": children(packets_in=1)}, State.UP, ""),
        ({"paris": children(packets_out=4), "tokyo": children(packets_in=0)}, State.UP, ""),
        ({"paris": children(state="REKEYED")}, State.UP, ""),
    ],
)
def test_the_condition_is_the_worst_that_an_end_reports(
    tmp_path: Path, twists: dict[str, Twist], state: State, reason: str
) -> None:
    one = found(memory_site(tmp_path), {"paris": children(), **twists})
    assert (one.state, one.reason) == (state, reason)


def test_a_part_of_the_children_is_less_than_up(tmp_path: Path) -> None:
    """Each pair of networks is a CHILD_SA of its own with IKEv1."""
    fabric = change_tunnels(two_routers(), ike__version=1)
    wide = {
        "paris-tokyo": replace(fabric.tunnels["paris-tokyo"], local_cidrs=("10.1.0.0/25", "10.1.0.128/25")),
        "tokyo-paris": replace(fabric.tunnels["tokyo-paris"], peer_cidrs=("10.1.0.0/25", "10.1.0.128/25")),
    }
    site = memory_site(tmp_path, fabric=replace(fabric, tunnels=wide))

    def halved(state: RouterState) -> RouterState:
        return replace(state, sas=tuple(replace(sa, children=sa.children[1:]) for sa in state.sas))

    one = found(site, {"tokyo": halved})
    assert one.state is State.DEGRADED
    assert one.reason.startswith("no CHILD_SA for net-")
    assert one.reason.endswith(" at tokyo")


def test_nothing_is_known_of_a_router_that_does_not_answer(tmp_path: Path) -> None:
    one = found(memory_site(tmp_path), {}, silent="tokyo")
    assert (one.state, one.ends[0].state) == (State.UNKNOWN, State.UP)
    assert "no route to host" in one.reason


def test_a_tunnel_runs_between_the_addresses_of_its_sa(tmp_path: Path) -> None:
    def moved(state: RouterState) -> RouterState:
        return replace(state, sas=tuple(replace(sa, remote_address="203.0.113.99") for sa in state.sas))

    here, there = found(memory_site(tmp_path), {"paris": moved}).ends
    assert (here.moved, here.addresses[1]) == (True, "203.0.113.99")
    assert not there.moved


def test_a_rename_that_is_not_applied_yet_is_no_tunnel_that_is_down(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    site.apply()
    renamed = rename_tunnels(site.fabric, {"paris-tokyo": "a-b", "tokyo-paris": "b-a"})
    seen = observed_plan(renamed, site.store(), site.fleet)
    differs = {change.resource: change.reason for change in seen.plan.changes}
    [one] = conditions(renamed, seen.desired, seen.observation.states, {}, differs)
    assert (one.state, one.reason, one.drifts) == (State.UP, "", True)


@pytest.mark.parametrize(
    ("off", "state", "reason"),
    [
        (("paris-tokyo", "tokyo-paris"), State.DISABLED, ""),
        (("paris-tokyo",), State.DOWN, "disabled at paris alone"),
    ],
)
@pytest.mark.parametrize("silent", ["", "tokyo"])
def test_a_connection_is_disabled_if_both_ends_are(
    tmp_path: Path, off: tuple[str, ...], state: State, reason: str, silent: str
) -> None:
    """Which is a matter of Git, whether or not the routers answer."""
    fabric = two_routers()
    tunnels = {name: replace(tunnel, enabled=name not in off) for name, tunnel in fabric.tunnels.items()}
    one = found(memory_site(tmp_path, fabric=replace(fabric, tunnels=tunnels)), {}, silent=silent)
    assert (one.state, one.reason) == (state, reason)


def test_the_drift_of_a_router_is_none_of_a_tunnel_of_that_name(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    site.apply()
    seen = observed_plan(site.fabric, site.store(), site.fleet)
    differs = {Resource("paris", ResourceKind.BOOT, "paris-tokyo"): "drift"}
    [one] = conditions(site.fabric, seen.desired, seen.observation.states, {}, differs)
    assert not one.drifts


CHILD = "net"


@pytest.mark.parametrize(
    ("before", "up", "state", "reason"),
    [
        ({}, {}, State.UP, ""),
        ({}, {"tokyo": {("tokyo-paris", CHILD)}}, State.UP, ""),
        ({}, {"tokyo": set()}, State.DOWN, "no CHILD_SA at tokyo"),
        ({}, {"paris": set(), "tokyo": set()}, State.DOWN, "no CHILD_SA at paris; no CHILD_SA at tokyo"),
        ({"tokyo": without_sas}, {"tokyo": set()}, State.DOWN, "no IKE_SA at tokyo"),
        ({"tokyo": without_sas}, {"tokyo": {("tokyo-paris", CHILD)}}, State.UP, ""),
        ({"tokyo": without_sas}, {"paris": set()}, State.DOWN, "no CHILD_SA at paris; no IKE_SA at tokyo"),
    ],
)
def test_what_routers_have_reported_since_counts(
    tmp_path: Path, before: dict[str, Twist], up: dict[str, set[tuple[str, str]]], state: State, reason: str
) -> None:
    """Of a router that is not followed, the observation does."""
    [one] = as_reported([found(memory_site(tmp_path), before)], up)
    assert (one.state, one.reason) == (state, reason)


def test_a_router_that_was_not_observed_but_is_followed_is_known(tmp_path: Path) -> None:
    before = found(memory_site(tmp_path), {}, silent="tokyo")
    assert before.state is State.UNKNOWN
    [up] = as_reported([before], {"tokyo": {("tokyo-paris", CHILD)}})
    [down] = as_reported([before], {"tokyo": set()})
    assert (up.state, down.state) == (State.UP, State.DOWN)
