"""What an apply came to, and whether its commit is to blame for what failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.loss import Measured
from reconciler.model.fabric import group_of
from reconciler.model.observation import Observation
from reconciler.model.operation import UnloadConnection, Widen
from reconciler.model.outcome import Check, Outcome, Status
from reconciler.model.plan import Disruption, Phase, Plan, Resource, Step
from reconciler.operations.apply import Applied
from reconciler.operations.observed_plan import ObservedPlan
from reconciler.service.verdict import Verdict, is_to_blame, verdict_of
from tests.contract.sites import Site, change_tunnels, memory_site

ENDS = frozenset({"paris-tokyo", "tokyo-paris"})
WORKS = Check("paris-tokyo: traffic", True, "3 of 3 replies")
SILENT = Check("paris-tokyo: traffic", False, "no reply")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return memory_site(tmp_path)


@pytest.fixture
def before(site: Site) -> ObservedPlan:
    """Both ends carried traffic, and are changed."""
    site.apply()
    return site.preview(change_tunnels(site.fabric, esp__integrity="sha512"))


def applied(*outcomes: Outcome) -> Applied:
    return Applied(outcomes, Plan(()), (), Measured(), Observation({}, {}))


def outcome(before: ObservedPlan, status: Status, router: str = "paris", **fields: Any) -> Outcome:
    """The end of a step of the tunnel."""
    group = fields.pop("group", group_of(before.fabric.tunnels["paris-tokyo"]))
    operation = fields.pop("operation", UnloadConnection("tw-paris-tokyo"))
    step = Step(router, Phase.SWITCH, group, "switch", Disruption.NONE, operation)
    return Outcome(step, status, "it refuses" if status is Status.FAILED else "not reached", **fields)


def test_what_was_done_and_proven_is_good(before: ObservedPlan) -> None:
    done = outcome(before, Status.DONE)
    assert verdict_of(before, applied(done), {"paris-tokyo": (WORKS,)}) == Verdict()


def test_a_failed_proof_hurts_the_end_that_was_probed(before: ObservedPlan) -> None:
    found = verdict_of(before, applied(), {"paris-tokyo": (WORKS, SILENT), "tokyo-paris": (WORKS,)})
    assert found == Verdict(("paris-tokyo: traffic: no reply",), (), frozenset({"paris-tokyo"}))


def test_a_tunnel_that_carried_nothing_is_not_hurt(site: Site) -> None:
    found = verdict_of(site.preview(), applied(), {"paris-tokyo": (SILENT,)})
    assert (len(found.problems), found.hurt) == (1, frozenset())


def test_a_tunnel_that_the_plan_leaves_alone_is_not_hurt(site: Site) -> None:
    site.apply()
    found = verdict_of(site.preview(), applied(), {"paris-tokyo": (SILENT,)})
    assert (len(found.problems), found.hurt) == (1, frozenset())


@pytest.mark.parametrize("router", ["paris", "tokyo"])
def test_a_failed_step_leaves_both_ends_stuck(before: ObservedPlan, router: str) -> None:
    found = verdict_of(before, applied(outcome(before, Status.FAILED, router)), {})
    assert found == Verdict((f"{router}: switch: it refuses",), (), ENDS)


def test_what_follows_from_a_failure_is_not_reported(before: ObservedPlan) -> None:
    failed = outcome(before, Status.FAILED)
    left = outcome(before, Status.NOT_ATTEMPTED, "tokyo")
    assert verdict_of(before, applied(failed, left), {}).problems == ("paris: switch: it refuses",)
    assert verdict_of(before, applied(left), {}).problems == ("tokyo: switch: not reached",)


def test_a_tunnel_that_goes_on_as_before_is_not_stuck(before: ObservedPlan) -> None:
    restored = outcome(before, Status.FAILED, restored=True)
    found = verdict_of(before, applied(restored, outcome(before, Status.NOT_ATTEMPTED, "tokyo")), {})
    assert (len(found.problems), found.hurt) == (1, frozenset())


@pytest.mark.parametrize(("router", "group"), [("berlin", None), ("paris", "another tunnel")])
def test_a_step_of_another_tunnel_hurts_nothing(before: ObservedPlan, router: str, group: str | None) -> None:
    named = {} if group is None else {"group": group}
    found = verdict_of(before, applied(outcome(before, Status.FAILED, router, **named)), {})
    assert (len(found.problems), found.hurt) == (1, frozenset())


def test_a_peer_that_does_not_agree_is_waited_for(before: ObservedPlan) -> None:
    widen = Widen("tw-paris-tokyo", ("net",), {})
    found = verdict_of(before, applied(outcome(before, Status.FAILED, operation=widen)), {})
    assert found == Verdict((), ("paris: it refuses",), frozenset())


def test_a_tunnel_that_was_removed_is_known_by_its_resources(site: Site) -> None:
    """Git has it no more, so that whether it carried traffic is not asked."""
    site.apply()
    before = site.preview(replace(site.fabric, tunnels={}))
    assert before.plan.changes
    failed = Outcome(before.plan.listed_steps[0], Status.FAILED, "it refuses")
    assert verdict_of(before, applied(failed), {}).hurt == frozenset()


@pytest.mark.parametrize(
    ("hurt", "by_commit", "differs", "blamed"),
    [
        (ENDS, ENDS, ENDS, True),
        ({"paris-tokyo"}, {"paris-tokyo"}, {"paris-tokyo"}, True),
        ((), ENDS, ENDS, False),
        (ENDS, (), ENDS, False),
        (ENDS, ENDS, (), False),
        (ENDS, {"paris-tokyo"}, {"tokyo-paris"}, False),
        ({"paris-tokyo"}, {"tokyo-paris"}, {"tokyo-paris"}, False),
    ],
)
def test_only_what_the_commit_has_changed_is_its_fault(
    before: ObservedPlan, hurt: set[str], by_commit: set[str], differs: set[str], blamed: bool
) -> None:
    def named(names: set[str]) -> Any:
        def known(resource: Resource) -> bool:
            return resource.name in names

        return known

    assert is_to_blame(before.plan, set(hurt), named(by_commit), named(differs)) is blamed
