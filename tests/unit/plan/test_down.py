"""Tunnels that should be up and are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.compile.as_applied import as_applied
from reconciler.compile.router import compile_router
from reconciler.model.operation import Establish, PairEnd, Scope
from reconciler.model.plan import Disruption, Plan
from reconciler.model.router_config import RouterConfig, RouterState
from reconciler.model.secret import Secret
from reconciler.plan.down import down
from tests.contract.sites import change_tunnels
from tests.fabrics import two_routers


def configs(**fields: object) -> dict[str, RouterConfig]:
    fabric = change_tunnels(two_routers(), **fields)
    keys = {tunnel.psk: Secret(b"a key of both") for tunnel in fabric.tunnels.values()}
    return {name: compile_router(fabric, name, keys, Secret(b"fingerprints")) for name in fabric.routers}


def found(desired: dict[str, RouterConfig], **states: RouterState) -> Plan:
    live = {name: as_applied(config) for name, config in desired.items()} | states
    return down(desired, live, {"paris"}, lambda _: True)


@pytest.mark.parametrize("state", ["", "CONNECTING", "DELETING"])
@pytest.mark.parametrize("router", ["paris", "tokyo"])
def test_it_comes_up_from_the_end_that_begins(router: str, state: str) -> None:
    desired = configs()
    held = as_applied(desired[router])
    sas = tuple(replace(sa, state=state, children=()) for sa in held.sas) if state else ()
    [change] = found(desired, **{router: replace(held, sas=sas)}).changes
    [step] = change.steps
    assert (change.reason, step.disruption, step.router) == ("the tunnel is down", Disruption.NONE, "paris")
    other = PairEnd("tokyo", "tw-tokyo-paris")
    assert step.operation == Establish("tw-paris-tokyo", ("net",), Scope.FIRST, other_end=other)


def test_what_is_up_or_being_replaced_stays() -> None:
    desired = configs()
    assert found(desired).empty
    held = as_applied(desired["paris"])
    [sa] = held.sas
    rekeyed = tuple(replace(child, state="REKEYED") for child in sa.children)
    assert found(desired, paris=replace(held, sas=(replace(sa, children=rekeyed),))).empty


def test_a_peer_that_is_not_managed_may_have_its_reasons() -> None:
    desired = configs(other_end=None)
    assert found(desired, paris=replace(as_applied(desired["paris"]), sas=())).empty


def test_an_end_that_is_not_known_or_not_loaded_is_left() -> None:
    desired = configs()
    dark = replace(as_applied(desired["paris"]), sas=())
    assert found(desired, paris=replace(dark, connections={})).empty
    assert down(desired, {"paris": dark}, {"paris"}, lambda _: True).empty
    assert down(desired, dict.fromkeys(desired, dark), {"lisbon"}, lambda _: True).empty
