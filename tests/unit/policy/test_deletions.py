"""What would be destroyed: how much of it is refused, and what is protected from it."""

from __future__ import annotations

from dataclasses import replace

from reconciler.apply.phases import apply_plan
from reconciler.model.plan import Disruption
from reconciler.model.safety import SafetyPolicy
from reconciler.operations.observed_plan import narrowed
from reconciler.policy import Judgement, Override, judge
from tests.converged import assert_converged
from tests.fabrics import number_of
from tests.unit.policy.judged import (
    NOW,
    apply_allowed,
    each,
    judged,
    renewing,
    site_of,
    without,
)


def protected(judgement: Judgement) -> set[str]:
    """The ends that stay because their files say so."""
    assert not judgement.refusals
    found = [item for item in judgement.deferrals if "protected from deletion" in item.reason]
    assert all(item.override is None for item in found)
    return {resource.name for item in found for resource in item.resources}


def test_a_large_share_of_deletions_is_refused_from_a_minimum_on() -> None:
    site = site_of(10)
    assert not judged(site, without(site.fabric, {0, 1, 2}))[1].refusals
    _, found = judged(site, without(site.fabric, {0, 1, 2, 3}))
    assert [refusal.reason for refusal in found.refusals] == [
        "4 of the 10 tunnel ends on paris would be destroyed, more than 30%",
        "4 of the 10 tunnel ends on tokyo would be destroyed, more than 30%",
        "8 of the 20 tunnel ends on all routers would be destroyed, more than 30%",
    ]
    disabled = each(site.fabric, lambda t: replace(t, enabled=number_of(t.name) > 3))
    assert len(judged(site, disabled)[1].refusals) == 3
    assert not judged(site, without(site.fabric, {0, 1, 2, 3}), Override.DELETIONS)[1].refusals
    few = replace(without(site.fabric, {0, 1, 2, 3}), safety=SafetyPolicy(deletions_minimum=21))
    assert not judged(site, few)[1].refusals
    none = replace(without(site.fabric, {0}), safety=SafetyPolicy(max_deleted_share=0))
    assert len(judged(site, none)[1].refusals) == 3


def test_protection_outlives_its_document_and_no_option_sets_it_aside() -> None:
    site = site_of(2, protected=True)
    assert site.preview().plan.empty
    for wanted in (
        without(site.fabric, {0}),
        each(site.fabric, lambda t: replace(t, enabled=number_of(t.name) > 0)),
        each(without(site.fabric, {0}), lambda t: replace(t, protected=False)),
    ):
        before, found = judged(site, wanted, *Override)
        assert protected(found) == {"paris-000", "tokyo-000"}
        left = narrowed(before, found.allows).plan.changes
        assert not [change for change in left if number_of(change.resource.name) == 0], "it stays as it is"
        refused = judge(
            before.plan, wanted, before.observation.states, NOW, frozenset(Override), simulated=True
        )
        assert [str(r) for item in refused.refusals for r in item.resources] == [
            "paris/tunnel/paris-000",
            "tokyo/tunnel/tokyo-000",
        ], "without an override, the commit is refused"
    lifted = each(site.fabric, lambda t: replace(t, protected=number_of(t.name) > 0))
    before, found = judged(site, lifted)
    assert not found.refusals
    assert {change.disruption for change in before.plan.changes} == {Disruption.NONE}
    assert {field.path for change in before.plan.changes for field in change.changes} == {
        "deletionProtection"
    }
    assert_converged(apply_allowed(site, before, found))
    assert not judged(site, without(lifted, {0}))[1].deferrals


def test_a_rename_destroys_nothing_and_the_new_name_is_protected() -> None:
    site = site_of(1, protected=True)
    tunnels = {}
    for tunnel in site.fabric.tunnels.values():
        name, other = (f"{part}-9" for part in (tunnel.router, (tunnel.other_end or "").partition("-")[0]))
        tunnels[name] = replace(tunnel, name=name, other_end=other, previous_names=(tunnel.name,))
    wanted = replace(site.fabric, tunnels=tunnels)
    before, found = judged(site, wanted)
    assert not found.refusals
    assert_converged(apply_allowed(site, before, found))
    assert protected(judged(site, replace(wanted, tunnels={}))[1]) == set(tunnels)


def test_a_change_cut_short_leaves_the_protection_in_mind() -> None:
    site = site_of(1, protected=True)
    wanted = renewing(site.fabric, {0})
    plan = site.preview(wanted).plan
    for steps in range(len(plan.steps)):
        ids = {id(step) for step in plan.steps[:steps]}
        part = replace(
            plan,
            changes=tuple(replace(c, steps=tuple(s for s in c.steps if id(s) in ids)) for c in plan.changes),
        )
        apply_plan(part, site.fleet, timeout=0.2)
        assert protected(judged(site, without(site.fabric, {0}))[1]) == {"paris-000", "tokyo-000"}
