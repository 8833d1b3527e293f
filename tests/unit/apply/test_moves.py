"""Addresses that move between routers: one apply brings each to its place, and one brings it back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.apply import establish
from reconciler.apply.phases import apply_plan
from reconciler.model.errors import CommandRejected, RouterUnreachable
from reconciler.model.fabric import Fabric
from reconciler.model.operation import AddAddress, RemoveAddress
from reconciler.model.outcome import Status
from reconciler.model.plan import Disruption, Phase, Plan, Step
from reconciler.model.router_config import InterfaceAddress
from reconciler.operations.observed_plan import observed_plan
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from tests.contract.sites import Site, memory_site
from tests.converged import assert_converged
from tests.fabrics import RING, ring
from tests.odd import OddRouter, fails

HOSTS = tuple(f"203.0.113.{number}" for number in range(11, 17))
SWAPPED = (HOSTS[2], HOSTS[1], HOSTS[0], *HOSTS[3:])
"""The outer VIPs of ada and bob have each other's address."""
PERMUTATIONS = st.permutations(HOSTS)


@pytest.fixture(autouse=True, scope="module")
def no_overlap() -> Iterator[None]:
    """In memory nothing is ever on its way."""
    before, establish.OVERLAP = establish.OVERLAP, 0.0
    yield
    establish.OVERLAP = before


def site(hosts: Sequence[str] = HOSTS) -> Site:
    return memory_site(Path(tempfile.mkdtemp()), fabric=ring(hosts))


def vips_of(here: Site, router: str) -> set[str]:
    """The VIPs that a router holds."""
    seen = here.connect(router).host.snapshot([]).addresses
    return {a.cidr.partition("/")[0] for a in seen if a.interface == "eth0"} & set(HOSTS)


def assert_in_place(here: Site, fabric: Fabric) -> None:
    """Each router holds its VIPs and no other's, and each tunnel is up by its addresses."""
    for router in RING:
        wanted = {vip.address for vip in fabric.vips.values() if vip.router == router}
        assert vips_of(here, router) == wanted
        sas = here.preview(fabric).observation.states[router].sas
        assert {sa.local_address for sa in sas} == wanted
    assert here.preview(fabric).plan.empty


def only(plan: Plan, kept: list[Step]) -> Plan:
    ids = {id(step) for step in kept}
    changes = [replace(c, steps=tuple(s for s in c.steps if id(s) in ids)) for c in plan.changes]
    return replace(plan, changes=tuple(changes))


@settings(max_examples=40, deadline=None)
@given(PERMUTATIONS)
@example(list(SWAPPED))
@example([HOSTS[2], HOSTS[1], HOSTS[4], HOSTS[3], HOSTS[0], HOSTS[5]])  # a ring of three
@example([HOSTS[1], HOSTS[0], *HOSTS[2:]])  # on one router
def test_one_apply_gives_every_router_its_addresses_and_one_takes_that_back(hosts: list[str]) -> None:
    here = site()
    here.apply()
    for fabric in (ring(hosts), here.fabric):
        assert_converged(here.apply(fabric))
        assert_in_place(here, fabric)


@settings(max_examples=40, deadline=None)
@given(PERMUTATIONS, st.integers(0, 80), st.booleans())
def test_a_move_that_is_cut_short_is_finished_or_taken_back(
    hosts: list[str], crash: int, reverts: bool
) -> None:
    here = site()
    here.apply()
    plan = here.preview(ring(hosts)).plan
    apply_plan(only(plan, list(plan.steps[:crash])), here.fleet, timeout=0.2)
    fabric = here.fabric if reverts else ring(hosts)
    assert_converged(here.apply(fabric))
    assert_in_place(here, fabric)


def test_the_plan_says_in_which_order_addresses_move() -> None:
    here = site()
    here.apply()
    plan = here.preview(ring(SWAPPED)).plan
    moving = [
        (step.router, step.phase, step.summary, step.disruption)
        for step in plan.steps
        if isinstance(step.operation, AddAddress | RemoveAddress)
    ]
    assert moving == [
        ("ada", Phase.WITHDRAW, "remove 203.0.113.11/24 from eth0", Disruption.INTERRUPTS),
        ("bob", Phase.WITHDRAW, "remove 203.0.113.13/24 from eth0", Disruption.INTERRUPTS),
        (
            "ada",
            Phase.HOST,
            "add 203.0.113.13/24 to eth0, once it is gone from bob, and announce it",
            Disruption.NONE,
        ),
        (
            "bob",
            Phase.HOST,
            "add 203.0.113.11/24 to eth0, once it is gone from ada, and announce it",
            Disruption.NONE,
        ),
    ]
    reasons = {
        str(change.resource): change.reason for change in plan.changes if change.resource.kind == "vip"
    }
    assert reasons["ada/vip/203.0.113.11"] == "it belongs to eth0 of bob"


def test_moves_on_one_router_interrupt_nothing() -> None:
    here = site()
    here.apply()
    for hosts in ((HOSTS[1], HOSTS[0], *HOSTS[2:]), ("203.0.113.77", *HOSTS[1:])):
        plan = here.preview(ring(hosts)).plan
        assert {step.disruption for step in plan.steps} == {Disruption.NONE, Disruption.MAKE_BEFORE_BREAK}


def test_the_old_address_of_a_moved_tunnel_goes_when_the_tunnel_has_left_it() -> None:
    here = site()
    here.apply()
    moved = ring(("203.0.113.77", *HOSTS[1:]))
    removal = next(
        step for step in here.preview(moved).plan.steps if isinstance(step.operation, RemoveAddress)
    )
    assert removal.phase is Phase.UNGUARD
    assert_converged(here.apply(moved))
    assert vips_of(here, "ada") == {HOSTS[1]}


def failing(here: Site, router: str, verb: str) -> Fleet:
    def connect(name: str) -> Router:
        twists = {verb: fails(CommandRejected("refused", router=name, operation=verb))}
        return OddRouter(here.connect(name), twists if name == router else {})

    return Fleet(connect)


def test_an_address_that_cannot_be_taken_off_is_not_added_elsewhere() -> None:
    here = site()
    here.apply()
    moved = ring(SWAPPED)
    outcomes = apply_plan(here.preview(moved).plan, failing(here, "ada", "remove_address"), timeout=0.2)
    added = {
        outcome.step.router: outcome for outcome in outcomes if isinstance(outcome.step.operation, AddAddress)
    }
    assert added["bob"].status is Status.NOT_ATTEMPTED
    assert added["bob"].message == "203.0.113.11 is still on ada"
    assert HOSTS[0] not in vips_of(here, "bob")
    assert_converged(here.apply(moved))
    assert_in_place(here, moved)


def test_an_address_that_cannot_be_added_costs_only_its_own_tunnels() -> None:
    here = site()
    outcomes = apply_plan(here.preview().plan, failing(here, "ada", "add_address"), timeout=0.2)
    groups = {"ada-out", "bob-in", "ada-in", "cyd-out"}
    undone = {outcome.step.group for outcome in outcomes if outcome.status is Status.NOT_ATTEMPTED}
    assert undone & {"bob-out", "cyd-in"} == set()
    assert undone <= groups | {""}
    assert undone & groups


def test_a_run_that_has_begun_to_move_addresses_does_not_stop() -> None:
    here = site()
    here.apply()
    asked: list[bool] = []

    def stopping() -> bool:
        asked.append(True)
        return len(asked) > 1

    outcomes = apply_plan(here.preview(ring(SWAPPED)).plan, here.fleet, timeout=0.2, stopping=stopping)
    assert {outcome.status for outcome in outcomes} == {Status.DONE}


def test_nothing_moves_while_one_of_the_routers_is_away() -> None:
    here = site()
    here.apply()
    before = {router: vips_of(here, router) for router in RING}
    hosts = (HOSTS[2], HOSTS[1], HOSTS[4], HOSTS[3], HOSTS[0], HOSTS[5])
    plan = observed_plan(ring(hosts), here.store(), without(here, "cyd")).plan
    assert [
        step.summary for step in plan.steps if isinstance(step.operation, AddAddress | RemoveAddress)
    ] == []
    assert "ada-out" in plan.withheld
    assert {router: vips_of(here, router) for router in RING} == before


def without(here: Site, away: str) -> Fleet:
    def connect(name: str) -> Router:
        router = here.connect(name)
        return (
            OddRouter(router, {"snapshot": fails(RouterUnreachable("no answer", router=name))})
            if name == away
            else router
        )

    return Fleet(connect)


def test_an_address_that_is_not_ours_is_never_removed() -> None:
    here = site()
    foreign = InterfaceAddress("eth0", f"{HOSTS[0]}/24")
    host = here.connect("bob").host
    host.add_address(foreign, "Vip/any")
    host.record_address(foreign, "")
    plan = here.preview().plan
    assert not any(isinstance(step.operation, RemoveAddress) for step in plan.steps)
    assert plan.withheld["ada-out"] == "203.0.113.11 is on eth0 of bob"
    (duplicate,) = plan.duplicates
    assert (duplicate.address, duplicate.network, duplicate.wanted) == (HOSTS[0], "internet", ("ada",))
