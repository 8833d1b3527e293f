"""Pairs of which a plan changes one end alone: the plan says so, and promises nothing that takes both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.fabric import Fabric
from reconciler.model.plan import Action, Disruption, Phase
from reconciler.operations.revisions import between, left_alone
from reconciler.plan.fleet import make_plan
from reconciler.plan.targets import targeting
from tests.contract.sites import change_tunnels, rename_tunnels
from tests.fabrics import many_tunnels, two_routers
from tests.unit.plan.test_fleet import compiled, held
from tests.unit.policy.judged import NOW


def worst(plan: object) -> dict[str, Disruption]:
    return {str(change.resource): change.disruption for change in plan.changes}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("targets", "excluded"),
    [(("paris",), ()), (("paris/tunnel/paris-tokyo",), ()), ((), ("tokyo",))],
    ids=["router", "resource", "excluded"],
)
def test_one_end_of_a_pair_is_not_made_before_it_breaks(
    targets: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    before = two_routers()
    after = change_tunnels(before, esp__integrity="sha512")
    # As a resource is named its router is not: `targeting` takes the pair for it by no other name.
    plan = make_plan(compiled(after), held(before), selected=targeting(after, targets, excluded))
    assert worst(plan) == {"paris/tunnel/paris-tokyo": Disruption.INTERRUPTS}
    [change] = plan.changes
    assert change.reason == (
        "the configuration differs; its other end, tokyo/tunnel/tokyo-paris, is not selected"
    )


@pytest.mark.parametrize("targets", [(), ("paris-tokyo",), ("tokyo-paris",), ("paris", "tokyo")])
def test_both_ends_are(targets: tuple[str, ...]) -> None:
    before = two_routers()
    after = change_tunnels(before, esp__integrity="sha512")
    plan = make_plan(compiled(after), held(before), selected=targeting(after, targets, ()))
    assert max(worst(plan).values(), key=lambda item: item.rank) is Disruption.MAKE_BEFORE_BREAK
    assert {change.reason for change in plan.changes} == {"the configuration differs"}


def test_an_end_that_needs_no_change_of_the_other_is_its_own() -> None:
    before = two_routers()
    renamed = rename_tunnels(before, {"paris-tokyo": "anew"})
    plan = make_plan(compiled(renamed), held(before), selected=targeting(renamed, ("paris",), ()))
    assert worst(plan) == {"paris/tunnel/anew": Disruption.MAKE_BEFORE_BREAK}
    # Nor does what is in the other end's file alone.
    protected = replace(
        change_tunnels(before, protected=True),
        routers=before.routers,
    )
    plan = make_plan(compiled(protected), held(before), selected=targeting(protected, ("paris",), ()))
    assert {change.reason for change in plan.changes} == {"the router's file differs"}


def without_tokyo(fabric: Fabric) -> Fabric:
    """A router's document removed with its tunnels, and those of its peers that ended there."""
    return replace(
        fabric,
        routers={"paris": fabric.routers["paris"]},
        vips={name: vip for name, vip in fabric.vips.items() if vip.router == "paris"},
        tunnels={},
    )


def test_a_router_that_git_has_no_more_keeps_everything_and_the_plan_says_so() -> None:
    fabric = two_routers()
    live = held(fabric)
    plan = make_plan(compiled(without_tokyo(fabric)), {"paris": live["paris"]})
    [change] = [item for item in plan.changes if item.resource.kind == "tunnel"]
    assert change.action is Action.DELETE
    assert change.reason == (
        "not in Git; its other end at 203.0.113.12 was managed too, but Git has no router there any more: "
        "everything on that router stays as it is"
    )
    shown = between(fabric, without_tokyo(fabric), NOW)
    assert shown.plan.changes[-1].reason == change.reason
    assert shown.notes[0] == (
        "the router tokyo is no longer in Git: everything on it stays as it is (its tunnels with their keys "
        "and files, its VIPs, its nftables table), and it is no longer observed"
    )


def test_a_pair_whose_routers_stay_is_removed_at_both() -> None:
    fabric = many_tunnels(2)
    gone = replace(fabric, tunnels={}, vips={})
    plan = make_plan(compiled(gone), held(fabric))
    assert {change.reason for change in plan.changes if change.resource.kind == "tunnel"} == {"not in Git"}
    assert list(left_alone(fabric, gone)) == []
    # While a router does not answer its tunnels are not known.
    live = {name: state for name, state in held(fabric).items() if name == "paris"}
    plan = make_plan(compiled(gone), live)
    assert {change.reason for change in plan.changes if change.resource.kind == "tunnel"} == {"not in Git"}


def test_a_network_that_is_taken_out_is_destroyed_for_its_traffic_alone() -> None:
    fabric = change_tunnels(two_routers())
    ends = {"paris": ("10.1.0.0/24", "10.9.0.0/24"), "tokyo": ("10.2.0.0/24",)}
    tunnels = {
        name: replace(
            tunnel,
            local_cidrs=ends[tunnel.router],
            peer_cidrs=ends["tokyo" if tunnel.router == "paris" else "paris"],
        )
        for name, tunnel in fabric.tunnels.items()
    }
    plan = make_plan(compiled(fabric), held(replace(fabric, tunnels=tunnels)))
    assert {
        step.summary: step.disruption for step in plan.steps if step.disruption is not Disruption.NONE
    } == {
        "load connection tw-paris-tokyo, without 1 pair of networks": Disruption.DESTROYS,
        "load connection tw-tokyo-paris, without 1 pair of networks": Disruption.DESTROYS,
        "bring up second CHILD_SAs of tw-paris-tokyo, then retire the first": Disruption.MAKE_BEFORE_BREAK,
    }
    [paris] = [change for change in plan.changes if str(change.resource) == "paris/tunnel/paris-tokyo"]
    assert [
        (field.path, field.before, field.after) for field in paris.changes if "traffic" in field.path
    ] == [("traffic[10.9.0.0/24 10.2.0.0/24]", "this tunnel", "in the clear or masqueraded")]
    # The other way round nothing is lost.
    wider = make_plan(compiled(replace(fabric, tunnels=tunnels)), held(fabric))
    assert not [field for change in wider.changes for field in change.changes if "traffic" in field.path]
    assert {step.disruption for step in wider.steps if step.phase is not Phase.SWITCH} == {Disruption.NONE}
