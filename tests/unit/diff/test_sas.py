"""What runs that is not desired: SAs of another configuration, and more of them than are needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.diff import diff_router, sas
from reconciler.facets.sas import asking
from reconciler.model.operation import CloseSurplus, Establish, Scope, Switch, Widen
from reconciler.model.plan import Disruption, Phase
from reconciler.model.swanctl import Change
from tests.unit.diff.ends import desired, end_of, held, only_sa, steps, tunnel_of, with_sa


def switch(change: object) -> Switch:
    [found] = [step.operation for step in change.steps if step.phase is Phase.SWITCH]  # type: ignore[attr-defined]
    assert isinstance(found, Switch)
    return found


def scope(change: object) -> Scope:
    found = switch(change)
    assert isinstance(found, Establish)
    return found.scope


def test_an_ike_sa_of_another_configuration_is_replaced_beside_it() -> None:
    change = tunnel_of(desired(), with_sa(held(), algorithms="aes128-sha1-modp1024"))
    assert change.changes == (
        Change("sa.algorithms", "aes128-sha1-modp1024", "aes256-sha256-modp2048", "sa"),
    )
    assert change.reason == "a running SA has another configuration"
    assert change.disruption is Disruption.MAKE_BEFORE_BREAK
    assert scope(change) is Scope.IKE
    # charon may hold that configuration as well, whatever the file says.
    assert (Phase.CONNECTIONS, "load connection tw-paris-tokyo") in steps(change)


def test_a_child_sa_of_another_configuration_is_replaced_inside_its_ike_sa() -> None:
    [child] = only_sa(held()).children
    state = with_sa(held(), children=(replace(child, algorithms="aes128-sha1"),))
    change = tunnel_of(desired(), state)
    assert [field.path for field in change.changes] == ["sa.children.net.algorithms"]
    assert scope(change) is Scope.CHILD


@pytest.mark.parametrize("state", ["CONNECTING", "DELETING", "DESTROYING"])
def test_what_is_not_up_is_compared_with_nothing(state: str) -> None:
    [child] = only_sa(held()).children
    twice = (child, replace(child, id="9"))
    end = end_of(desired(), with_sa(held(), state=state, algorithms="aes128-sha1-modp1024", children=twice))
    assert sas.compare(end) == ()
    assert sas.compare_numbers(end) == ()


def test_one_child_sa_of_several_of_a_kind_is_enough() -> None:
    [child] = only_sa(held()).children
    many = tuple(replace(child, id=str(number)) for number in range(1, 4))
    change = tunnel_of(desired(), with_sa(held(), children=many))
    assert change.changes == (Change("sa.children.net.number", "3", "1", "sa"),)
    assert (switch(change), change.disruption) == (CloseSurplus("tw-paris-tokyo"), Disruption.NONE)
    # A peer that narrows needs several of one child.
    narrowed = (child, replace(child, id="9", remote_ts=("10.2.0.0/25",)))
    assert sas.compare_numbers(end_of(desired(), with_sa(held(), children=narrowed))) == ()


@pytest.mark.parametrize("part", ["10.2.0.0/25", "10.2.0.7/32", "10.2.0.0/24[tcp/443]"])
def test_what_the_peer_has_not_agreed_to_is_asked_for(part: str) -> None:
    [child] = only_sa(held()).children
    change = tunnel_of(desired(), with_sa(held(), children=(replace(child, remote_ts=(part,)),)))
    assert change.changes == (Change("sa.children.net.remote_ts", (part,), ("10.2.0.0/24",), "sa"),)
    assert change.reason == "the peer has narrowed the traffic selectors"
    assert steps(change) == [
        (Phase.SWITCH, "ask the peer of tw-paris-tokyo for the selectors that it has not agreed to")
    ], "nothing is loaded, nothing is written"
    assert change.disruption is Disruption.MAKE_BEFORE_BREAK
    assert change.waits_for_peer
    settings = desired().connections["tw-paris-tokyo"].settings
    assert switch(change) == Widen("tw-paris-tokyo", ("net",), settings)


def test_several_child_sas_that_carry_all_of_it_together_are_as_desired() -> None:
    """A peer that takes one pair of networks at a time."""
    [child] = only_sa(held()).children
    parts = (replace(child, remote_ts=("10.2.0.0/25",)), replace(child, id="9", remote_ts=("10.2.0.128/25",)))
    assert diff_router(desired(), with_sa(held(), children=parts)) == ()
    # One that is replaced at this moment carries its part still.
    rekeying = (replace(parts[0], state="REKEYING"), parts[1])
    assert diff_router(desired(), with_sa(held(), children=rekeying)) == ()


def test_of_another_configuration_nothing_is_asked_for() -> None:
    """It is replaced as a whole, and the peer is asked for all of it then."""
    [child] = only_sa(held()).children
    narrow = replace(child, algorithms="aes128-sha1", remote_ts=("10.2.0.0/25",))
    change = tunnel_of(desired(), with_sa(held(), children=(narrow,)))
    assert [field.path for field in change.changes] == ["sa.children.net.algorithms"]
    assert scope(change) is Scope.CHILD


def test_the_connection_that_asks_is_another_one_for_its_child_alone() -> None:
    """charon takes it into the IKE_SA that runs, and for no duplicate of the child that runs there."""
    settings = desired().connections["tw-paris-tokyo"].settings
    asked = asking(settings, "net", (("10.1.0.0/24",), ("10.2.0.0/25",)))
    whole = asking(settings, "net", (("10.1.0.0/24",), ("10.2.0.0/24",)))
    assert {**asked, "children": {}} == {**settings, "children": {}}
    assert asked["children"]["net"]["remote_ts"] == ("10.2.0.0/25",)  # type: ignore[index, call-overload]
    assert whole != settings and whole["children"]["net"]["start_action"] == "none"  # type: ignore[index, call-overload]
