"""A CHILD_SA that one end alone holds is a difference, also where both ends are as their documents say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from reconciler.model.bounds import ONE_SIDED_SECONDS
from reconciler.model.operation import CloseSurplus, PairEnd
from reconciler.model.plan import Disruption, Plan
from reconciler.model.router_config import RouterState
from reconciler.plan.fleet import make_plan
from tests.contract.sites import change_tunnels
from tests.fabrics import two_routers
from tests.unit.plan.test_fleet import compiled, held


def both(**fields: object) -> dict[str, RouterState]:
    """Both routers with one CHILD_SA that both hold, old enough to be missed."""
    live = held(two_routers())
    spis = {"paris": ("c0000001", "c0000002"), "tokyo": ("c0000002", "c0000001")}
    return {
        name: with_child(state, spi_in=spis[name][0], spi_out=spis[name][1], age=60, **fields)
        for name, state in live.items()
    }


def with_child(router: RouterState, **fields: object) -> RouterState:
    [sa] = router.sas
    [child] = sa.children
    changed = replace(child, **fields)  # type: ignore[arg-type]
    return replace(router, sas=(replace(sa, children=(changed,)),))


def planned(live: Mapping[str, RouterState]) -> Plan:
    return make_plan(compiled(two_routers()), live)


def test_what_both_hold_is_no_difference() -> None:
    assert planned(both()).empty


@pytest.mark.parametrize("router", ["paris", "tokyo"])
def test_what_one_end_alone_holds_is_closed_there(router: str) -> None:
    live = both()
    other = "tokyo" if router == "paris" else "paris"
    live[other] = replace(live[other], sas=())
    plan = planned(live)
    [change] = plan.changes
    assert change.resource.router == router
    assert change.reason == f"{other}, its other end, does not hold all of its CHILD_SAs"
    [field] = change.changes
    assert (field.before, field.after) == (f"not held by {other}", None)
    closing = CloseSurplus(f"tw-{router}-{other}", PairEnd(other, f"tw-{other}-{router}"))
    assert [(step.router, step.operation) for step in plan.steps] == [(router, closing)]
    assert change.disruption is Disruption.NONE


def test_what_both_hold_by_other_spis_is_closed_at_both() -> None:
    live = both()
    live["tokyo"] = with_child(live["tokyo"], spi_in="c0000009")
    plan = planned(live)
    assert [change.resource.router for change in plan.changes] == ["paris", "tokyo"]
    assert len(plan.steps) == 1, "one end settles both"


@pytest.mark.parametrize(
    "fields",
    [{"age": ONE_SIDED_SECONDS - 1}, {"state": "DELETED"}, {"state": "REKEYED"}],
    ids=["young", "deleted", "followed by another"],
)
def test_what_may_be_under_way_is_left_alone(fields: dict[str, object]) -> None:
    live = both()
    live["paris"] = with_child(live["paris"], **fields)
    live["tokyo"] = replace(live["tokyo"], sas=())
    assert planned(live).empty


def test_a_router_that_does_not_answer_and_a_tunnel_that_is_switched_show_nothing() -> None:
    live = both()
    assert planned({"paris": live["paris"]}).empty
    live["tokyo"] = replace(live["tokyo"], sas=())
    changed = make_plan(compiled(change_tunnels(two_routers(), esp__integrity="sha512")), live)
    assert {change.reason for change in changed.changes} == {"the configuration differs"}
