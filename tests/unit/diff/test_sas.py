"""What runs that is not desired: SAs of another configuration, and more of them than are needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.diff import sas
from reconciler.model.plan import Disruption, Establish, Phase, Scope
from reconciler.model.settings import Change
from tests.unit.diff.ends import desired, end_of, held, only_sa, steps, tunnel_of, with_sa


def switch(change: object) -> Establish:
    [found] = [step.operation for step in change.steps if step.phase is Phase.SWITCH]  # type: ignore[attr-defined]
    assert isinstance(found, Establish)
    return found


def test_an_ike_sa_of_another_configuration_is_replaced_beside_it() -> None:
    change = tunnel_of(desired(), with_sa(held(), algorithms="aes128-sha1-modp1024"))
    assert change.changes == (
        Change("sa.algorithms", "aes128-sha1-modp1024", "aes256-sha256-modp2048", "sa"),
    )
    assert change.reason == "a running SA has another configuration"
    assert change.disruption is Disruption.MAKE_BEFORE_BREAK
    assert switch(change).scope is Scope.IKE
    # charon may hold that configuration as well, whatever the file says.
    assert (Phase.CONNECTIONS, "load connection tw-paris-tokyo") in steps(change)


def test_a_child_sa_of_another_configuration_is_replaced_inside_its_ike_sa() -> None:
    [child] = only_sa(held()).children
    state = with_sa(held(), children=(replace(child, algorithms="aes128-sha1"),))
    change = tunnel_of(desired(), state)
    assert [field.path for field in change.changes] == ["sa.children.net.algorithms"]
    assert switch(change).scope is Scope.CHILD


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
    assert (switch(change).scope, change.disruption) == (Scope.SURPLUS, Disruption.NONE)
    # A peer that narrows needs several of one child.
    narrowed = (child, replace(child, id="9", remote_ts=("10.2.0.0/25",)))
    assert sas.compare_numbers(end_of(desired(), with_sa(held(), children=narrowed))) == ()
