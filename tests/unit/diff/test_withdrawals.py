"""Tunnels leave an address before it is taken away, and come up anew in their turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.diff.live import Live
from reconciler.diff.tunnel_steps import switch_step
from reconciler.diff.withdrawals import connections_by_host, leaving, withdrawn
from reconciler.model.operation import CloseSurplus, Establish, RemoveAddress, Scope, Switch, Widen
from reconciler.model.plan import Action, Disruption, Phase, Resource, ResourceChange, ResourceKind, Step
from reconciler.model.router_config import InterfaceAddress, RouterState
from tests.unit.diff.ends import NAME, desired, held, steps, with_sa

HOST = "203.0.113.11"
HOSTS = frozenset({HOST})
GROUP = "paris-tokyo"
TUNNEL = Resource("paris", ResourceKind.TUNNEL, "paris-tokyo")


def changed(*found: Step, action: Action = Action.UPDATE) -> ResourceChange:
    return ResourceChange(TUNNEL, action, "", (), found)


def switching(operation: Switch) -> ResourceChange:
    return changed(switch_step("paris", GROUP, operation, Disruption.MAKE_BEFORE_BREAK))


def left(change: ResourceChange, state: RouterState, hosts: frozenset[str] = HOSTS) -> ResourceChange:
    [found] = leaving(desired(), Live(state), [change], hosts)
    return found


LEAVING = [
    (Phase.WITHDRAW, f"unload connection {NAME}"),
    (Phase.WITHDRAW, f"terminate the SAs of {NAME}"),
]


@pytest.mark.parametrize("scope", [Scope.CHILD, Scope.IKE, Scope.RECONNECT])
def test_a_tunnel_leaves_its_address_and_comes_up_anew(scope: Scope) -> None:
    found = left(switching(Establish(NAME, ("net",), scope)), held())
    anew = (Phase.SWITCH, f"terminate the SAs of {NAME}, then bring it up again")
    assert steps(found) == [*LEAVING, anew]
    assert [step.disruption for step in found.steps] == [
        Disruption.NONE,
        Disruption.INTERRUPTS,
        Disruption.INTERRUPTS,
    ]


def test_a_peer_is_not_asked_for_the_rest_of_sas_that_have_ended() -> None:
    found = left(switching(Widen(NAME, ("net",), desired().connections[NAME].settings)), held())
    assert found.steps[-1].operation == Establish(NAME, ("net",), Scope.RECONNECT)


@pytest.mark.parametrize("operation", [Establish(NAME, ("net",), Scope.FIRST), CloseSurplus(NAME)])
def test_what_replaces_no_running_sa_stays_as_it_is(operation: Switch) -> None:
    found = left(switching(operation), held())
    assert (found.steps[-1].operation, steps(found)[:-1]) == (operation, LEAVING)


def test_a_tunnel_that_is_deleted_goes_before_the_address() -> None:
    going = changed(Step("paris", Phase.RETIRE, GROUP, "", Disruption.NONE, RemoveAddress(ADDRESS)))
    found = left(replace(going, action=Action.DELETE), held())
    assert [step.phase for step in found.steps] == [Phase.WITHDRAW]


ADDRESS = InterfaceAddress("eth0", f"{HOST}/24")


@pytest.mark.parametrize(
    ("state", "hosts"),
    [
        (held(), frozenset({"203.0.113.77"})),
        (held(), frozenset()),
        (replace(with_sa(held(), state="DELETING"), connections={}), HOSTS),
    ],
    ids=["another address", "no address", "ending already"],
)
def test_a_tunnel_that_does_not_use_the_address_stays(state: RouterState, hosts: frozenset[str]) -> None:
    change = switching(Establish(NAME, ("net",), Scope.CHILD))
    assert left(change, state, hosts) == change


def test_connections_are_found_by_what_is_loaded_and_by_what_runs() -> None:
    assert connections_by_host(held()) == {HOST: {NAME}}
    assert connections_by_host(replace(held(), connections={})) == {HOST: {NAME}}
    assert connections_by_host(replace(held(), sas=())) == {HOST: {NAME}}
    assert connections_by_host(with_sa(held(), local_address="203.0.113.77"))["203.0.113.77"] == {NAME}


def test_an_address_is_withdrawn_for_another_place_alone() -> None:
    removal = Step("paris", Phase.WITHDRAW, "", "", Disruption.INTERRUPTS, RemoveAddress(ADDRESS))
    vip = ResourceChange(Resource("paris", ResourceKind.VIP, HOST), Action.DELETE, "", (), (removal,))
    assert withdrawn([vip]) == HOSTS
    later = replace(vip, steps=(replace(removal, phase=Phase.UNGUARD),))
    assert withdrawn([later, switching(CloseSurplus(NAME))]) == frozenset()
