"""The priority of children: the number by which an end holds back, kept in the router's file."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.facets.connections import priority
from reconciler.model.swanctl import Settings

HERE, THERE = "10.1.0.0/24", "10.2.0.0/24"
OWN = 375_423
"""charon's own number of these two networks, as `ip xfrm policy` shows it."""


def child(number: object = None, local: tuple[str, ...] = (HERE,), remote: tuple[str, ...] = (THERE,)) -> Any:
    section: dict[str, object] = {"local_ts": local, "remote_ts": remote, "mode": "tunnel"}
    return section if number is None else {**section, "priority": str(number)}


def connection(**children: Any) -> Settings:
    return {"version": "2", "children": children}


def numbers(settings: Settings) -> dict[str, str | None]:
    children: Any = settings["children"]
    return {name: section.get("priority") for name, section in children.items()}


def test_charons_own_number_is_that_of_its_networks() -> None:
    assert priority.automatic((HERE, THERE)) == OWN
    assert priority.automatic(("0.0.0.0/0", "0.0.0.0/0")) == 399_999


@pytest.mark.parametrize(
    ("running", "then"),
    [
        (None, OWN + 1),  # the first switch
        (OWN + 1, OWN + 2),
        (OWN + 510, OWN + 511),
        (OWN + 511, None),  # used up: it starts over
        (7, None),  # no number of ours: it would come before everything
        ("seven", OWN + 1),
    ],
)
def test_a_new_child_comes_behind_the_running_one(running: object, then: int | None) -> None:
    raised = priority.raised(connection(net=child()), [connection(net=child(running))])
    assert numbers(raised) == {"net": None if then is None else str(then)}


@pytest.mark.parametrize("now", [(THERE, "10.3.0.0/24"), ("10.3.0.0/24",)])
def test_a_child_of_other_networks_comes_behind_nothing(now: tuple[str, ...]) -> None:
    """Its reqid is another one: what came by it would be refused while the old policy stands."""
    for running in (None, OWN + 3):
        wanted = priority.kept(connection(net=child(remote=now)), connection(net=child(running)))
        found = priority.raised(wanted, [connection(net=child(running))])
        assert found is wanted


def test_the_running_child_is_that_of_the_same_networks_whatever_its_name() -> None:
    written = [
        connection(**{"net-a": child(OWN + 7), "net-b": child(OWN + 90, remote=("10.3.0.0/24",))}),
        connection(old=child(OWN + 3)),
    ]
    assert numbers(priority.raised(connection(net=child()), written)) == {"net": str(OWN + 8)}


def test_a_child_of_several_networks_comes_behind_the_widest() -> None:
    both = child(remote=(THERE, "10.4.0.0/16"))
    wide = priority.automatic((HERE, "10.4.0.0/16"))
    raised = priority.raised(connection(net=both), [connection(net=both)])
    assert numbers(raised) == {"net": str(wide + 1)}
    assert numbers(priority.kept(raised, raised)) == {"net": str(wide + 1)}


@pytest.mark.parametrize(
    ("written", "kept"),
    [(None, None), (OWN + 1, OWN + 1), (OWN, None), (OWN + 512, None), ("x", None), ("9" * 5000, None)],
)
def test_the_number_of_the_file_is_kept_if_a_switch_can_have_led_to_it(
    written: object, kept: int | None
) -> None:
    wanted = connection(net=child())
    found = priority.kept(wanted, connection(net=child(written)))
    assert numbers(found) == {"net": None if kept is None else str(kept)}
    if kept is None:
        assert found is wanted
    assert priority.without(found) == wanted


@pytest.mark.parametrize(
    "written",
    [None, {}, {"children": "x"}, {"children": {"net": "x"}}, {"children": {"net": {"local_ts": "x"}}}],
)
def test_a_file_that_was_edited_by_hand_has_no_number(written: Any) -> None:
    wanted = connection(net=child())
    assert priority.kept(wanted, written) is wanted
    assert priority.raised(wanted, [written or {}]) is wanted
