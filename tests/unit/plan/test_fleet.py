"""The changes of all routers -> one plan: both ends of a pair together, one of them brings it up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler.compile.as_applied import as_applied
from reconciler.compile.router import compile_router
from reconciler.model.absence import Absence
from reconciler.model.errors import AnswerNotUnderstood, RouterUnreachable
from reconciler.model.fabric import Fabric
from reconciler.model.operation import Establish, PairEnd, Scope
from reconciler.model.plan import Action, Phase, Plan, Step
from reconciler.model.router_config import Asked, RouterConfig, RouterState
from reconciler.model.secret import Secret
from reconciler.plan.fleet import make_plan
from reconciler.plan.targets import targeting
from tests.contract.sites import change_tunnels, rename_tunnels
from tests.fabrics import many_tunnels, two_routers

BARE: Mapping[str, Any] = {
    "connections": {},
    "files": {},
    "sas": (),
    "secret_ids": frozenset(),
    "addresses": frozenset(),
    "firewall": None,
    "sysctls": {},
}


def compiled(fabric: Fabric) -> dict[str, RouterConfig]:
    keys = {tunnel.psk: Secret(b"a key") for tunnel in fabric.tunnels.values()}
    return {name: compile_router(fabric, name, keys, Secret(b"f")) for name in fabric.routers}


def held(fabric: Fabric) -> dict[str, RouterState]:
    return {name: as_applied(config) for name, config in compiled(fabric).items()}


def switches(plan: Plan) -> dict[str, Step]:
    """The step of each group that moves its traffic; there is one at most."""
    found = [step for step in plan.steps if step.phase is Phase.SWITCH]
    assert len({step.group for step in found}) == len(found)
    return {step.group: step for step in found}


def switch(plan: Plan) -> tuple[str, Establish]:
    """Where the one switch is, and what it does."""
    [step] = switches(plan).values()
    assert isinstance(step.operation, Establish)
    return step.router, step.operation


def test_routers_as_desired_have_an_empty_plan() -> None:
    fabric = many_tunnels(2)
    assert make_plan(compiled(fabric), held(fabric)) == Plan()


def test_both_ends_are_loaded_and_one_brings_the_tunnel_up() -> None:
    fabric = two_routers()
    plan = make_plan(compiled(fabric), {name: replace(s, **BARE) for name, s in held(fabric).items()})
    tunnels = [change for change in plan.changes if change.resource.kind == "tunnel"]
    assert [(change.resource.router, change.action) for change in tunnels] == [
        ("paris", Action.CREATE),
        ("tokyo", Action.CREATE),
    ]
    assert {change.group for change in tunnels} == {"paris-tokyo"}
    router, operation = switch(plan)
    [initiator] = [tunnel.router for tunnel in fabric.tunnels.values() if tunnel.initiates]
    assert router == initiator
    assert operation.other_end == PairEnd("tokyo", "tw-tokyo-paris")


def test_the_end_with_the_lower_address_initiates_whatever_it_is_called() -> None:
    fabric = rename_tunnels(two_routers(), {"paris-tokyo": "z", "tokyo-paris": "a"})
    plan = make_plan(compiled(fabric), {name: replace(s, **BARE) for name, s in held(fabric).items()})
    router, operation = switch(plan)
    assert (router, operation.connection, operation.other_end) == ("paris", "tw-z", PairEnd("tokyo", "tw-a"))


def test_steps_are_in_the_order_of_the_phases_over_all_routers() -> None:
    fabric = two_routers()
    plan = make_plan(compiled(fabric), {name: replace(s, **BARE) for name, s in held(fabric).items()})
    order = [(step.phase, step.router) for step in plan.steps]
    assert order == sorted(order)
    last = {phase: max(i for i, item in enumerate(order) if item[0] is phase) for phase, _ in order}
    first = {phase: min(i for i, item in enumerate(order) if item[0] is phase) for phase, _ in order}
    assert last[Phase.GUARD] < first[Phase.SECRETS], "no tunnel without its guard"
    assert last[Phase.CONNECTIONS] < first[Phase.SWITCH], "both ends are loaded before one moves"
    assert last[Phase.SWITCH] < first[Phase.COMMIT], "a file vouches for what runs"


def test_the_end_with_the_wider_need_switches() -> None:
    """A renamed connection is another one at its own end alone."""
    fabric = two_routers()
    changed = change_tunnels(fabric, esp__integrity="sha512")
    assert switch(make_plan(compiled(changed), held(fabric)))[1].scope is Scope.CHILD
    renamed = rename_tunnels(changed, {"tokyo-paris": "anew"})
    router, operation = switch(make_plan(compiled(renamed), held(fabric)))
    assert (router, operation.connection, operation.scope) == ("tokyo", "tw-anew", Scope.IKE)
    assert operation.other_end == PairEnd("paris", "tw-paris-tokyo")


def test_a_router_that_does_not_answer_withholds_its_pairs_at_the_other_end() -> None:
    fabric = two_routers()
    config, state = compiled(change_tunnels(fabric, esp__integrity="sha512")), held(fabric)
    absence = Absence.of(RouterUnreachable("no route", router="tokyo"))
    plan = make_plan(config, {"paris": state["paris"]}, {"tokyo": absence})
    assert plan.changes == ()
    assert plan.withheld == {"paris-tokyo": "its other end is at tokyo, which is unreachable"}
    assert plan.unreachable == {"tokyo": absence}
    odd = Absence.of(AnswerNotUnderstood("half of it", where="list-sas", router="tokyo"))
    withheld = make_plan(config, {"paris": state["paris"]}, {"tokyo": odd}).withheld
    assert withheld == {"paris-tokyo": "its other end is at tokyo, which is not planned"}


def test_a_router_that_cannot_be_compared_costs_its_own_pairs_alone() -> None:
    fabric = many_tunnels(1)
    state = held(fabric)
    broken = replace(state["tokyo"], sas=(None,))  # type: ignore[arg-type]
    changed = change_tunnels(fabric, esp__integrity="sha512")
    plan = make_plan(compiled(changed), {"paris": state["paris"], "tokyo": broken})
    assert list(plan.unreachable) == ["tokyo"]
    assert set(plan.withheld) == {"paris-000"}


def test_a_tunnel_without_its_key_is_withheld_at_both_ends() -> None:
    fabric = many_tunnels(2)
    config = compiled(change_tunnels(fabric, esp__integrity="sha512"))
    config["tokyo"] = replace(config["tokyo"], keyless={"tokyo-001": "there is no key"})
    plan = make_plan(config, held(fabric))
    assert plan.withheld == {"paris-001": "there is no key", "tokyo-001": "there is no key"}
    assert plan.keyless == {"paris-001", "tokyo-001"}
    assert {change.resource.name for change in plan.changes} == {"paris-000", "tokyo-000"}
    gone = Absence.of(RouterUnreachable("no route", router="tokyo"))
    alone = make_plan(config, {"paris": held(fabric)["paris"]}, {"tokyo": gone})
    assert alone.withheld["tokyo-001"] == "there is no key", "reported although its router does not answer"


def test_what_is_left_out_keeps_its_guards() -> None:
    fabric = many_tunnels(2)
    fewer = replace(fabric, tunnels={n: t for n, t in fabric.tunnels.items() if n.endswith("-000")})
    plan = make_plan(compiled(fewer), held(fabric), selected=targeting(fewer, (), ("paris-001",)))
    paris = [change for change in plan.changes if change.resource.router == "paris"]
    assert not any(step.phase is Phase.UNGUARD for change in paris for step in change.steps)
    assert any(step.phase is Phase.UNGUARD for step in make_plan(compiled(fewer), held(fabric)).steps)


@pytest.mark.parametrize("named", [frozenset({"paris-tokyo"}), frozenset({"paris-tokyo", "tokyo-paris"})])
def test_a_reconnect_is_done_by_one_end_whichever_is_named(named: frozenset[str]) -> None:
    fabric = two_routers()
    asked = {name: replace(config, asked=Asked(reconnect=named)) for name, config in compiled(fabric).items()}
    plan = make_plan(asked, held(fabric))
    _, operation = switch(plan)
    assert operation.scope is Scope.RECONNECT
    assert {change.resource.name for change in plan.changes} == named


def with_packets(state: RouterState, sent: int, received: int) -> RouterState:
    """The router whose CHILD_SAs have carried so much."""
    sas = [
        replace(
            sa,
            children=tuple(replace(child, packets_out=sent, packets_in=received) for child in sa.children),
        )
        for sa in state.sas
    ]
    return replace(state, sas=tuple(sas))


@pytest.mark.parametrize(
    ("version", "paris", "tokyo", "initiating"),
    [
        (2, 1000, 1000, "paris"),
        (2, 1400, 1000, "paris"),
        (2, 1000, 1400, "paris"),
        (2, 1000, 1600, "tokyo"),
        (2, 10, 90, "paris"),
        (2, 1000, 0, "paris"),
        (1, 1000, 0, "tokyo"),
        (1, 0, 1000, "paris"),
    ],
)
def test_the_end_that_sends_more_is_not_the_one_that_uses_the_new_sa_too_early(
    version: int, paris: int, tokyo: int, initiating: str
) -> None:
    fabric = change_tunnels(two_routers(), ike__version=version)
    live = held(fabric)
    live = {
        "paris": with_packets(live["paris"], paris, tokyo),
        "tokyo": with_packets(live["tokyo"], tokyo, paris),
    }
    userspace = {name: replace(state, plugins=frozenset({"kernel-libipsec"})) for name, state in live.items()}
    wanted = compiled(change_tunnels(fabric, esp__encryption="aes-128"))
    assert switch(make_plan(wanted, userspace))[0] == initiating
    kernel = {name: replace(state, plugins=frozenset({"kernel-netlink"})) for name, state in live.items()}
    assert switch(make_plan(wanted, kernel))[0] == "paris", "an end holds back, and nothing is lost"
