"""Traffic that a tunnel carries no more: another tunnel has it, it is dropped, or it leaves in the clear."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.compile.as_applied import as_applied
from reconciler.diff import diff_router
from reconciler.diff.live import Live
from reconciler.diff.lost import Guards, carried, lost
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Disruption
from reconciler.model.router_config import Firewall, RouterConfig
from tests.contract.sites import change_tunnels
from tests.fabrics import two_routers
from tests.unit.diff.ends import NAME, compiled, desired, held, with_sa

HERE, THERE = "10.1.0.0/24", "10.2.0.0/24"


def guarding(own: set[tuple[str, str]], others: set[tuple[str, str]]) -> Guards:
    """The guards of the tunnel `paris-tokyo` and those of all others."""
    guards = {"paris-tokyo": Firewall(guarded=frozenset(own)), "other": Firewall(guarded=frozenset(others))}
    return Guards(RouterConfig("paris", firewall=Firewall(guarded=frozenset(own | others)), guards=guards))


@pytest.mark.parametrize(
    ("own", "others", "way"),
    [
        (set(), set(), "in the clear or masqueraded"),
        ({(HERE, THERE)}, set(), "dropped"),
        (set(), {(HERE, THERE)}, "another tunnel"),
        (set(), {("10.0.0.0/8", "10.2.0.0/25"), (HERE, "10.2.0.128/25")}, "another tunnel"),
        # A part of it that nothing guards is in the clear.
        (set(), {(HERE, "10.2.0.0/25")}, "in the clear or masqueraded"),
        (set(), {("10.1.0.0/25", THERE)}, "in the clear or masqueraded"),
    ],
)
def test_where_traffic_goes_that_lost_its_tunnel(
    own: set[tuple[str, str]], others: set[tuple[str, str]], way: str
) -> None:
    [field] = lost("paris-tokyo", [((HERE,), (THERE,))], None, guarding(own, others))
    assert (field.path, field.before, field.after) == (f"traffic[{HERE} {THERE}]", "this tunnel", way)


def with_peers(fabric: Fabric, *networks: str) -> Fabric:
    tunnels = {**fabric.tunnels}
    tunnels["paris-tokyo"] = replace(tunnels["paris-tokyo"], peer_cidrs=networks)
    return replace(fabric, tunnels=tunnels)


def traffic(before: Fabric, after: Fabric) -> dict[str, object]:
    """What is said of traffic when paris goes from one to the other."""
    found = diff_router(compiled(after), as_applied(compiled(before)))
    return {
        field.path: field.after for change in found for field in change.changes if "traffic" in field.path
    }


def test_a_network_that_shrinks_loses_the_rest() -> None:
    before = with_peers(two_routers(), THERE, "10.3.0.0/24")
    assert traffic(before, with_peers(two_routers(), "10.2.0.0/25", "10.3.0.0/24")) == {
        f"traffic[{HERE} 10.2.0.128/25]": "in the clear or masqueraded"
    }
    assert traffic(before, with_peers(two_routers(), "10.0.0.0/8")) == {}


def test_a_disabled_tunnel_keeps_its_guard_and_a_removed_one_does_not() -> None:
    fabric = two_routers()
    assert traffic(fabric, change_tunnels(fabric, enabled=False)) == {f"traffic[{HERE} {THERE}]": "dropped"}
    assert traffic(fabric, replace(fabric, tunnels={})) == {
        f"traffic[{HERE} {THERE}]": "in the clear or masqueraded"
    }


def test_a_tunnel_that_is_down_carries_nothing_that_could_be_destroyed() -> None:
    fabric = two_routers()
    down = replace(held(), sas=())
    found = diff_router(compiled(with_peers(fabric, "10.2.0.0/25")), down)
    assert {step.disruption for change in found for step in change.steps} == {Disruption.NONE}


def test_what_is_not_loaded_carries_what_its_sas_do() -> None:
    state = replace(with_sa(held()), connections={})
    assert list(carried(Live(state), [NAME])) == [((HERE,), (THERE,))]
    assert list(carried(Live(with_sa(state, state="DELETING")), [NAME])) == []
    assert (
        list(
            lost(
                "paris-tokyo",
                [((HERE,), (THERE,))],
                desired().connections[NAME].settings,
                guarding(set(), set()),
            )
        )
        == []
    )
