"""A change that has to be confirmed: it stays once it is proven; else each router is again what it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from lab.engine import until
from reconciler.apply.way_back import go_back
from reconciler.model.errors import CommandRejected
from reconciler.model.fabric import Fabric
from reconciler.model.router_config import RouterState
from reconciler.model.way_back import Arming, Cause, WentBack
from reconciler.operations.apply import apply
from reconciler.operations.converge import Conduct, Converged, Request, converge
from reconciler.operations.observed_plan import decide, everything, framed
from reconciler.routers.protocol import entries
from tests.contract.sites import FOREIGN, MEMORY_AND_CHARONS, Site, by_hand, change_tunnels, spis
from tests.converged import assert_converged

BOTH = frozenset({"paris", "tokyo"})
BACK = 60.0


def arming(seconds: int = 300, number: int = 1) -> Arming:
    return Arming(f"{number:016x}", "me@here", "d" * 64, "c" * 40, seconds)


def confirmed(site: Site, fabric: Fabric, way: Arming, **conduct: Any) -> Converged:
    """What `apply --confirm` does."""
    request = Request(
        BOTH,
        lambda _: decide(site.preview(fabric), everything),
        arming=way,
        conduct=Conduct(timeout=10, **conduct),
    )
    with converge(site.fleet, request) as done:
        return done


def held(site: Site) -> Mapping[str, RouterState]:
    """What the routers hold, less what changes by itself."""
    states = site.preview().observation.states
    return {name: replace(state, sas=(), dropped=None) for name, state in states.items()}


def changed(before: Mapping[str, RouterState], after: Mapping[str, RouterState]) -> dict[str, Any]:
    """Router and field -> what it was and is."""
    return {
        f"{name} {field.name}": (getattr(was, field.name), getattr(after[name], field.name))
        for name, was in before.items()
        for field in fields(was)
        if getattr(was, field.name) != getattr(after[name], field.name)
    }


def wholly_back(site: Site, way: Arming) -> bool:
    """Let both go back; whether each says that it did, and nothing that it could not restore."""
    backs = go_back(dict.fromkeys(BOTH, way.id), site.fleet).values()
    return all(isinstance(item, WentBack) and (item.arming, item.problems) == (way, ()) for item in backs)


@MEMORY_AND_CHARONS
def test_a_proven_change_is_confirmed_and_nothing_is_left_of_the_way_back(site: Site) -> None:
    assert_converged(site.apply())
    wanted = change_tunnels(site.fabric, esp__integrity="sha512")
    fresh: list[str] = []
    done = confirmed(site, wanted, arming(), anew=lambda: fresh.append("anew"))
    assert done.proven is not None
    assert_converged(done.proven.applied)
    assert done.proven.conclusion is not None
    assert done.proven.conclusion.stays
    assert fresh == ["anew"], "it is proven by new connections"
    steps = [outcome.step for outcome in done.proven.applied.outcomes]
    phases = [step.phase.name for step in steps]
    assert (phases[:2], phases[-2:]) == (["ARM", "ARM"], ["CONFIRM", "CONFIRM"])
    after = site.preview(wanted)
    assert after.plan.empty
    assert not any(state.way_back.armed for state in after.observation.states.values())
    site.connect("paris").host.confirm(arming().id)
    with pytest.raises(CommandRejected, match="it is not armed"):
        site.connect("paris").host.confirm(arming(number=2).id)


@MEMORY_AND_CHARONS
@pytest.mark.parametrize("new", [{"ike__version": 1}, {"enabled": False}], ids=str)
def test_an_unproven_change_is_undone_at_both_ends(site: Site, new: dict[str, object]) -> None:
    assert_converged(site.apply())
    before, way = held(site), arming()
    wanted = change_tunnels(site.fabric, **new)
    plan = framed(site.preview(wanted), way)
    assert_converged(apply(plan, site.fleet))
    assert not site.preview(wanted).plan.changes
    assert wholly_back(site, way)
    after = held(site)
    for name in BOTH:
        back = after[name].way_back.back
        assert back is not None
        assert (back.arming, back.cause, back.problems) == (way, Cause.UNPROVEN, ())
        site.connect(name).host.forget(way.id)
    assert changed(before, held(site)) == {}
    assert until(lambda: all(check.passed for check in site.verify()), BACK), site.verify()
    assert len(spis(site)) == 1, "no SA of the other configuration is left"


@MEMORY_AND_CHARONS
def test_the_first_apply_of_a_bare_router_can_be_undone(site: Site) -> None:
    before, way = held(site), arming()
    apply(framed(site.preview(), way), site.fleet)
    go_back(dict.fromkeys(BOTH, way.id), site.fleet)
    for name in BOTH:
        site.connect(name).host.forget(way.id)
    assert changed(before, held(site)) == {}


@MEMORY_AND_CHARONS
def test_a_connection_that_was_adopted_is_again_what_it_was(site: Site) -> None:
    wanted, way = by_hand(site), arming()
    host, there = site.connect("paris").host, f"/etc/swanctl/conf.d/{FOREIGN}.conf*"
    before = host.read_files(there)
    assert_converged(apply(framed(site.preview(wanted), way), site.fleet))
    assert host.read_files(there).keys().isdisjoint(before)
    assert wholly_back(site, way)
    assert host.read_files(there) == before
    assert FOREIGN in dict(entries(site.connect("paris").vici, "list-conns", "list-conn"))
    for name in BOTH:
        site.connect(name).host.forget(way.id)
    assert_converged(site.apply(wanted))
