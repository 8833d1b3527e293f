"""No router uses up the budget of the others, whatever it reports at each look."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.labels import parse_labels
from reconciler.model.safety import SafetyPolicy, Window
from reconciler.operations.observed_plan import ObservedPlan, narrowed
from reconciler.policy import judge
from reconciler.policy.turns import _SECONDS
from tests.fabrics import number_of
from tests.unit.policy.judged import reconnecting, site_of

NOW = datetime(2026, 5, 9, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def odd() -> ObservedPlan:
    """Ten tunnels of paris that have to be interrupted at each look, and one of tokyo. None of them has a
    managed other end."""
    site = site_of(11)
    wanted = reconnecting(site.fabric, set(range(11)))
    tunnels = {
        name: replace(tunnel, other_end=None, unmanaged=True)
        for name, tunnel in wanted.tunnels.items()
        if (tunnel.router == "tokyo") == (number_of(name) == 10)
    }
    before = site.preview(replace(wanted, tunnels=tunnels))
    return narrowed(before, lambda change: change.resource.name in tunnels)


def allowed(before: ObservedPlan, budget: int, now: datetime, **policy: object) -> list[str]:
    """Which tunnels may be interrupted, where so many may."""
    fabric = replace(before.fabric, safety=SafetyPolicy(max_interrupted=budget, **policy))  # type: ignore[arg-type]
    found = judge(before.plan, fabric, before.observation.states, now)
    assert not found.refusals
    changes = [c.resource.name for c in before.plan.changes if c.resource.kind == "tunnel"]
    waiting = {resource.name for resource in found.deferred}
    assert len(changes) == 11
    return sorted(set(changes) - waiting)


def test_each_router_has_its_share(odd: ObservedPlan) -> None:
    for number in range(50):
        found = allowed(odd, 2, NOW + number * timedelta(seconds=_SECONDS))
        assert found == ["paris-000", "tokyo-010"]
    assert allowed(odd, 4, NOW) == ["paris-000", "paris-001", "paris-002", "tokyo-010"]


def test_where_one_tunnel_may_be_interrupted_each_router_begins_now_and_then(
    odd: ObservedPlan,
) -> None:
    """At the same time of each day too, as with a window."""
    policy = {"windows": (Window("allow", "0 2 * * *", 3600, "UTC"),)}
    firsts = Counter(allowed(odd, 1, NOW + timedelta(days=number), **policy)[0] for number in range(100))
    assert set(firsts) == {"paris-000", "tokyo-010"}
    assert min(firsts.values()) > 20


def test_a_plan_and_its_apply_have_the_same_order(odd: ObservedPlan) -> None:
    for number in range(20):
        now = NOW + number * timedelta(seconds=_SECONDS)
        assert allowed(odd, 1, now) == allowed(odd, 1, now + timedelta(seconds=_SECONDS - 1))


def test_what_waits_for_another_reason_takes_no_turn(odd: ObservedPlan) -> None:
    """A tunnel whose other end has gone stays as it is, whatever the budget."""
    tunnels = {n: replace(t, unmanaged=n != "paris-000") for n, t in odd.fabric.tunnels.items()}
    before = replace(odd, fabric=replace(odd.fabric, tunnels=tunnels))
    assert allowed(before, 2, NOW) == ["paris-001", "tokyo-010"]


def test_a_policy_limits_the_tunnels_that_it_selects_besides_the_fleets(odd: ObservedPlan) -> None:
    """By the labels of either end; each has its own budget and its own windows."""
    tunnels = {
        name: replace(tunnel, labels={"tier": "lab" if number_of(name) < 5 else "production"})
        for name, tunnel in odd.fabric.tunnels.items()
    }
    lab = SafetyPolicy(name="lab", max_interrupted=2, selector=parse_labels("tier=lab"))
    fabric = replace(odd.fabric, tunnels=tunnels, part_safety=(lab,))
    before = replace(odd, fabric=fabric)
    assert allowed(before, 11, NOW) == [
        *("paris-000", "paris-001"),
        *(f"paris-{number:03}" for number in range(5, 10)),
        "tokyo-010",
    ]
    waiting = judge(before.plan, fabric, before.observation.states, NOW).deferrals
    assert {item.reason for item in waiting} == {
        "the budget of the SafetyPolicy 'lab' allows 2 interrupted tunnels at once"
    }
    closed = replace(lab, max_interrupted=None, windows=(Window("allow", "0 4 * * *", 3600, "UTC"),))
    before = replace(odd, fabric=replace(fabric, part_safety=(closed,)))
    assert allowed(before, 11, NOW) == [*(f"paris-{number:03}" for number in range(5, 10)), "tokyo-010"]
    (until,) = {
        item.until for item in judge(before.plan, before.fabric, odd.observation.states, NOW).deferrals
    }
    assert until == NOW.replace(hour=4)
