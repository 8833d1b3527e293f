"""The one operation that changes routers: its steps in their order, and what ends it before any is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.errors import (
    Locked,
    PlanStale,
    PlanUnsafe,
    RouterUnreachable,
    TunnelwrightError,
    WeakKey,
)
from reconciler.model.safety import SafetyPolicy
from reconciler.operations.converge import Conduct, Errors, Request, converge
from reconciler.operations.desired import compile_fabric
from reconciler.operations.observed_plan import (
    Decision,
    ObservedPlan,
    decide,
    everything,
    narrowed,
    observed_plan,
    without,
)
from reconciler.operations.planning import Planning
from reconciler.operations.roll_back import roll_back
from reconciler.routers import allowance
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from tests.contract.sites import change_tunnels, memory_site
from tests.odd import OddRouter
from tests.slow import Clock, slowly

BOTH = frozenset({"paris", "tokyo"})
NOTED = {"lock": "lock", "snapshot": "observe", "load-conn": "apply", "probe": "prove", "unlock": "unlock"}
"""What is noted of each router, by the VICI command or the host's verb."""


class Stage:
    """Two routers of which it is noted what they are asked for, and a request that is noted as well."""

    def __init__(self, folder: Path) -> None:
        self.site = memory_site(folder)
        self.fleet = Fleet(self.connect, 1)
        self.noted: list[str] = []
        self.psk = {"psk": "braces{} and a longer key that cannot be guessed"}

    def connect(self, name: str) -> Router:
        twists = {asked: self._noting(f"{what} {name}") for asked, what in NOTED.items()}
        return OddRouter(self.site.connect(name), twists)

    def _noting(self, what: str) -> Callable[[Callable[[], Any]], Any]:
        def twist(true: Callable[[], Any]) -> Any:
            self.note(what)
            return true()

        return twist

    def note(self, what: str) -> None:
        """Once, where the same is done several times in a row."""
        if self.noted[-1:] != [what]:
            self.noted.append(what)

    def decide(self, refused: Errors) -> Decision:
        """As a command does: under the locks."""
        self.note("decide")
        before = observed_plan(self.site.fabric, self.site.store(**self.psk), self.fleet)
        return decide(without(before, refused), everything)

    def approve(self, before: ObservedPlan) -> bool:
        assert not before.plan.empty
        self.note("approve")
        return True

    def request(self, **fields: Any) -> Request:
        """All that a caller may receive, and give."""
        request = Request(
            routers=BOTH,
            decide=self.decide,
            show=lambda _: self.note("show"),
            approve=self.approve,
            left_out=lambda _, errors: self.note(f"left out {', '.join(errors)}"),
            conduct=Conduct(timeout=1, probe=True),
        )
        return replace(request, **fields)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_the_steps_are_taken_in_their_order(stage: Stage) -> None:
    with converge(stage.fleet, stage.request()) as done:
        stage.note("body")
    assert stage.noted == [
        *("lock paris", "lock tokyo"),
        *("decide", "observe paris", "observe tokyo"),
        *("show", "approve"),
        *("observe paris", "observe tokyo"),
        *("apply paris", "apply tokyo"),
        *("observe paris", "observe tokyo"),
        # The proof looks before and after its packets.
        *("observe paris", "observe tokyo", "prove paris", "prove tokyo", "observe paris", "observe tokyo"),
        "body",
        *("unlock paris", "unlock tokyo"),
    ]
    assert done.proven is not None
    assert done.proven.applied.converged
    assert set(done.proven.proofs) == {"paris-tokyo", "tokyo-paris"}
    assert all(check.passed for checks in done.proven.proofs.values() for check in checks)


def test_a_plan_alone_is_made_by_the_same_steps_without_a_lock(stage: Stage) -> None:
    planning = Planning(
        stage.site.fabric, stage.site.store(**stage.psk), stage.fleet, targets=("paris-tokyo",)
    )
    assert planning.routers == BOTH
    shown: list[Decision] = []
    decision = planning.checked(shown.append)
    assert shown == [decision]
    assert stage.noted == ["observe paris", "observe tokyo"]
    with converge(stage.fleet, stage.request(decide=lambda _: decision)) as done:
        assert done.before.plan == decision.allowed.plan


def test_a_name_that_selects_nothing_is_no_plan(stage: Stage) -> None:
    planning = Planning(stage.site.fabric, stage.site.store(**stage.psk), stage.fleet, targets=("oslo",))
    with pytest.raises(TunnelwrightError, match="oslo"):
        planning.checked()


def test_a_rollback_takes_the_steps_between_judging_and_unlocking_again(stage: Stage) -> None:
    fabric = stage.site.fabric
    with converge(stage.fleet, stage.request()):
        pass
    stage.site = replace(stage.site, fabric=change_tunnels(fabric, esp__lifetime=1800))
    with converge(stage.fleet, stage.request()) as done:
        stage.noted.clear()
        desired = compile_fabric(fabric, stage.site.store(**stage.psk))
        conduct = Conduct(timeout=1, probe=True, stopping=lambda: True)
        rolled = roll_back(fabric, desired, done.before.plan, stage.fleet, conduct)
        assert rolled.wrong == ()
        assert set(rolled.proven.proofs) == {"paris-tokyo", "tokyo-paris"}
    assert stage.noted == [
        *("observe paris", "observe tokyo"),
        *("apply paris", "apply tokyo"),
        *("observe paris", "observe tokyo"),
        *("observe paris", "observe tokyo", "prove paris", "prove tokyo", "observe paris", "observe tokyo"),
        *("unlock paris", "unlock tokyo"),
    ]


def test_a_rollback_that_leaves_something_undone_says_what(stage: Stage) -> None:
    with converge(stage.fleet, stage.request()) as done:
        plan = done.before.plan
    desired = compile_fabric(
        stage.site.fabric, stage.site.store(psk="another key of more than enough length")
    )

    def connect(name: str) -> Router:
        if name == "tokyo":
            raise RouterUnreachable("the line is cut", router=name)
        return stage.connect(name)

    rolled = roll_back(stage.site.fabric, desired, plan, Fleet(connect, 1), Conduct(timeout=1))
    unreachable, *withheld = rolled.wrong
    assert "the line is cut" in unreachable
    assert [text.partition(":")[0] for text in withheld] == ["paris-tokyo"]


def test_without_a_question_routers_are_not_observed_again_before_the_apply(stage: Stage) -> None:
    with converge(stage.fleet, stage.request(approve=lambda _: False, conduct=Conduct(timeout=1))) as done:
        assert done.proven is not None
        assert not done.proven.proofs
    assert stage.noted[stage.noted.index("show") + 1] == "apply paris"


def test_nothing_is_approved_or_done_where_there_is_nothing_to_do(stage: Stage) -> None:
    with converge(stage.fleet, stage.request()):
        stage.noted.clear()
    with converge(stage.fleet, stage.request()) as done:
        assert done.proven is None
    assert not {"approve", "apply paris", "apply tokyo"} & set(stage.noted[2:])


def test_no_other_router_is_locked(stage: Stage) -> None:
    """One that another controller works on is no hindrance."""

    def decided(refused: Errors) -> Decision:
        decision = stage.decide(refused)
        allowed = narrowed(decision.allowed, lambda change: change.resource.kind == "sysctl")
        return replace(decision, allowed=narrowed(allowed, lambda change: change.resource.router == "paris"))

    stage.site.connect("tokyo").host.lock("you@there:2", 60)
    with converge(stage.fleet, stage.request(routers={"paris"}, decide=decided)) as done:
        assert done.before.plan.routers == {"paris"}
        assert not done.refused
    assert not [what for what in stage.noted if what.endswith("lock tokyo")]


def test_what_the_plan_changes_besides_is_locked_before_it_is_planned_for_good(stage: Stage) -> None:
    with converge(stage.fleet, stage.request(routers={"paris"})) as done:
        assert done.before.plan.routers == BOTH
    steps = [what for what in stage.noted if what.partition(" ")[0] in {"lock", "decide", "unlock", "show"}]
    first, again = steps[:3], steps[3:]
    assert first == ["lock paris", "decide", "unlock paris"]
    assert again == ["lock paris", "lock tokyo", "decide", "show", "unlock paris", "unlock tokyo"]


def test_a_router_whose_lock_is_taken_has_no_part(stage: Stage) -> None:
    stage.site.connect("tokyo").host.lock("you@there:2", 60)
    with converge(stage.fleet, stage.request()) as done:
        assert {name: type(error) for name, error in done.refused.items()} == {"tokyo": Locked}
        assert done.before.plan.routers == {"paris"}
        assert done.decision.allowed.plan.withheld.keys() == {"paris-tokyo"}
    assert not {"apply tokyo", "unlock tokyo"} & set(stage.noted)


def test_what_has_changed_while_it_was_approved_is_left_out_and_reported(stage: Stage) -> None:
    def approved(before: ObservedPlan) -> bool:
        stage.site.connect("tokyo").host.set_sysctls({"net/ipv4/ip_forward": "1"})
        return stage.approve(before)

    with converge(stage.fleet, stage.request(approve=approved)) as done:
        assert {name: type(error) for name, error in done.moved.items()} == {"tokyo": PlanStale}
        assert done.before.plan.routers == {"paris"}
    noted = stage.noted.index("left out tokyo")
    assert stage.noted[:noted].count("observe tokyo") == 2
    assert not [what for what in stage.noted if what.startswith("apply")], "it takes both ends"


def assert_undone(stage: Stage, error: type[Exception], request: Request) -> None:
    with pytest.raises(error), converge(stage.fleet, request):
        pytest.fail("nothing was to be done")
    assert not [what for what in stage.noted if what.startswith(("apply", "approve"))]
    assert stage.noted[-2:] == ["unlock paris", "unlock tokyo"]


def test_a_weak_key_ends_it_before_the_question(stage: Stage) -> None:
    stage.psk = {"psk": "a key"}
    assert_undone(stage, WeakKey, stage.request())


def test_a_plan_alone_with_a_weak_key_is_shown_before_it_ends(stage: Stage) -> None:
    planning = Planning(stage.site.fabric, stage.site.store(psk="a key"), stage.fleet)
    shown: list[Decision] = []
    with pytest.raises(WeakKey):
        planning.checked(shown.append)
    assert len(shown) == 1


def test_what_is_unsafe_is_shown_and_not_done(stage: Stage) -> None:
    assert stage.site.apply(timeout=1).converged
    disabled = change_tunnels(stage.site.fabric, enabled=False)
    policy = SafetyPolicy(max_deleted_share=10, deletions_minimum=1)
    stage.site = replace(stage.site, fabric=replace(disabled, safety=policy))
    assert_undone(stage, PlanUnsafe, stage.request())
    assert "show" in stage.noted


def test_what_the_caller_raises_gives_the_locks_back(stage: Stage) -> None:
    def approved(_: ObservedPlan) -> bool:
        raise RouterUnreachable("the line is cut", router="paris")

    assert_undone(stage, RouterUnreachable, stage.request(approve=approved))
    with pytest.raises(ZeroDivisionError), converge(stage.fleet, stage.request()):
        stage.noted.clear()
        raise ZeroDivisionError
    assert stage.noted == ["unlock paris", "unlock tokyo"]


def test_who_is_asked_to_stop_has_begun_nothing_and_proves_nothing(stage: Stage) -> None:
    conduct = Conduct(timeout=1, probe=True, stopping=lambda: True)
    with converge(stage.fleet, stage.request(conduct=conduct)) as done:
        assert done.proven is not None
        assert done.proven.applied.stopped
        assert not done.proven.proofs
    assert not [what for what in stage.noted if what.startswith(("apply", "prove"))]


def test_a_router_that_has_used_up_its_time_gets_its_lock_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, began = Clock(), list[str]()

    def seconds(asked: str) -> float:
        began.extend([asked] if asked == "load-conn" else [])
        return 99.0 if began else 1.0

    monkeypatch.setattr(allowance, "monotonic", clock)
    fleet = Fleet(slowly(stage.connect, clock, {"paris": seconds}))
    with converge(fleet, stage.request()) as done:
        assert done.proven is not None
        undone = done.proven.applied.undone
        assert any("s, the limit for one apply" in outcome.message for outcome in undone)
    for name in BOTH:
        stage.site.connect(name).host.lock("you@there:2", 60)
