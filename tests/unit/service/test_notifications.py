"""What notifications say of some runs: what begins, what lasts, what ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.model.absence import Absence, AbsenceKind
from reconciler.model.condition import State as Condition
from reconciler.model.events import (
    Down,
    Drift,
    Event,
    Impaired,
    PlannedChange,
    PlannedStep,
    PlanSummary,
    Rollback,
    StepEnded,
    Unreachable,
)
from reconciler.model.judgement import Deferral, Refusal
from reconciler.model.notification import Lasting, Notification, Topic
from reconciler.model.outcome import Check, Status
from reconciler.model.plan import Action, Disruption, Phase, Resource, ResourceKind
from reconciler.model.record import Result, RunRecord
from reconciler.service import message as messages
from reconciler.service.notifications import is_refused, new_in, states

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ALL = frozenset(Topic)
HEAD, OTHER = "a" * 40, "b" * 40
END = Resource("ra", ResourceKind.TUNNEL, "a-to-b")
PLAN = PlanSummary(0, 0, 0, "")
DOWN = Down("a-to-b", "ra")
AWAY = Unreachable("ra", Absence(AbsenceKind.UNREACHABLE, "no route"))
CHANGE = PlannedChange(END, Action.UPDATE, "proposals differ", Disruption.MAKE_BEFORE_BREAK)
BACK = Rollback(HEAD, OTHER, "no echo")


def drift(*, held: bool) -> Drift:
    return Drift(END, "it is missing", held)


def run(
    result: Result, *events: Event, head: str = HEAD, force: str | None = None, message: str = "why"
) -> RunRecord:
    return RunRecord(NOW, NOW, "once", head, head if force is None else force, result, message, events)


IN_SYNC = run(Result.IN_SYNC, PLAN)


def sent(*records: RunRecord, on: frozenset[Topic] = ALL) -> list[list[str]]:
    """The events of each run, as they are sent one after the other."""
    found: list[list[str]] = []
    lasting: frozenset[Lasting] = frozenset()
    for record in records:
        new, lasting = new_in([record], lasting, on)
        found.append([item.topic.value for item in new])
    together, after = new_in(records, frozenset(), on)
    assert [item.topic.value for item in together] == [event for events in found for event in events]
    assert after == lasting
    return found


@pytest.mark.parametrize(
    ("trouble", "event"),
    [
        (run(Result.IN_SYNC, PLAN, DOWN), "down"),
        (run(Result.INCOMPLETE, PLAN, AWAY), "incomplete"),
        (run(Result.INCOMPLETE, PLAN), "incomplete"),
        (run(Result.FAILED), "failed"),
        (run(Result.FAILED, head="", force=""), "failed"),
        (run(Result.FAILED, force=""), "refused"),
        (run(Result.FAILED, PLAN, Refusal((), "", "")), "refused"),
        (run(Result.INCOMPLETE, PLAN, force=OTHER), "refused"),
        (run(Result.ROLLED_BACK, PLAN, BACK), "rolled-back"),
        (run(Result.INCOMPLETE, PLAN, BACK), "rolled-back"),
        (run(Result.HELD, PLAN, CHANGE, drift(held=True)), "drift"),
    ],
)
def test_what_lasts_is_reported_when_it_begins_and_when_it_ends(trouble: RunRecord, event: str) -> None:
    assert sent(IN_SYNC, trouble, trouble, trouble, IN_SYNC, IN_SYNC) == [
        [],
        [event],
        [],
        [],
        ["recovered"],
        [],
    ]


def test_what_is_done_is_reported_once_and_needs_no_end() -> None:
    changed = run(Result.CHANGED, PLAN, CHANGE)
    assert sent(changed, IN_SYNC) == [["changed"], []]
    healed = run(Result.CHANGED, PLAN, CHANGE, drift(held=False))
    new, lasting = new_in([healed], frozenset(), ALL)
    assert [item.text for item in new] == ["ra/tunnel/a-to-b had drifted and was repaired: it is missing"]
    assert not lasting
    [first] = new_in([changed], frozenset(), ALL)[0]
    assert first.text == f"{HEAD[:12]}: update ra/tunnel/a-to-b: proposals differ (make-before-break)"


def test_drift_and_what_waits_are_no_change_of_the_commit() -> None:
    waits = Deferral((END,), "", None)
    assert sent(run(Result.CHANGED, PLAN, CHANGE, waits)) == [[]]
    assert sent(run(Result.CHANGED, PLAN, CHANGE, drift(held=True))) == [["drift"]]


def test_down_is_another_thing_than_drift() -> None:
    both = run(
        Result.CHANGED, PLAN, DOWN, replace(CHANGE, resource=replace(END, name="a-to-c")), drift(held=False)
    )
    [events] = sent(both)
    assert sorted(events) == ["changed", "down", "drift"]


def test_of_a_commit_that_was_rolled_back_it_is_reported_once() -> None:
    back, refused = run(Result.ROLLED_BACK, PLAN, BACK), run(Result.INCOMPLETE, PLAN, force=OTHER)
    assert sent(back, refused, refused, IN_SYNC) == [["rolled-back"], [], [], ["recovered"]]
    another = run(Result.INCOMPLETE, PLAN, head="c" * 40, force=OTHER)
    assert sent(back, another) == [["rolled-back"], ["refused"]], "nothing has recovered yet"


def test_one_trouble_after_the_other_recovers_once() -> None:
    assert sent(run(Result.FAILED), run(Result.INCOMPLETE, PLAN), IN_SYNC) == [
        ["failed"],
        ["incomplete"],
        ["recovered"],
    ]


@pytest.mark.parametrize(
    "blind",
    [
        run(Result.FAILED),
        run(Result.STOPPED, PLAN),
        run(Result.INCOMPLETE, PLAN, AWAY),
        run(Result.INCOMPLETE, PLAN, CHANGE),
        run(Result.HELD, PLAN, CHANGE),
    ],
)
def test_what_a_run_did_not_see_has_not_ended(blind: RunRecord) -> None:
    down = run(Result.IN_SYNC, PLAN, DOWN)
    found = sent(down, blind, down)
    assert found[0] == ["down"]
    assert "recovered" not in found[1]
    assert "down" not in found[2]


def test_a_tunnel_that_was_proven_is_up() -> None:
    assert sent(run(Result.IN_SYNC, PLAN, DOWN), run(Result.CHANGED, PLAN, CHANGE)) == [
        ["down"],
        ["changed", "recovered"],
    ]


def test_each_router_and_each_tunnel_for_itself() -> None:
    second = Down("c-to-d", "rc")
    found = sent(
        run(Result.IN_SYNC, PLAN, DOWN),
        run(Result.IN_SYNC, PLAN, DOWN, second),
        run(Result.IN_SYNC, PLAN, second),
    )
    assert found == [["down"], ["down"], ["recovered"]]


def test_only_what_is_asked_for() -> None:
    down = run(Result.FAILED, PLAN, DOWN)
    assert sent(down, IN_SYNC, on=frozenset({Topic.DOWN})) == [["down"], []]
    assert sent(down, IN_SYNC, on=frozenset({Topic.RECOVERED})) == [[], []], "its begin was not sent"


def test_what_probes_have_shown_is_reported_once_and_when_it_ends() -> None:
    silent = Impaired("a-to-b", "ra", Condition.SILENT, "10.2.0.1 does not answer", NOW)
    degraded = replace(silent, state=Condition.DEGRADED, reason="packets are lost")
    bad, worse = run(Result.IN_SYNC, PLAN, degraded), run(Result.IN_SYNC, PLAN, silent)
    assert sent(bad, bad, worse, worse, IN_SYNC, IN_SYNC) == [
        ["degraded"],
        [],
        ["carrying-nothing", "recovered"],
        [],
        ["recovered"],
        [],
    ]
    # A run that has seen nothing does not end it.
    assert sent(worse, run(Result.FAILED, head="", force=""), worse)[2] == ["recovered"]
    text = states(worse, frozenset())[Lasting(Topic.SILENT, "a-to-b", "ra")]
    since = "since 2026-11-23T00:00:00Z"
    assert text == f"tunnel a-to-b at ra is up, carrying nothing {since}: 10.2.0.1 does not answer"


def test_a_refused_head() -> None:
    assert is_refused(run(Result.INCOMPLETE, force=OTHER))
    assert not is_refused(run(Result.ROLLED_BACK, force=OTHER))
    assert not is_refused(run(Result.FAILED, head="", force=""))
    assert not is_refused(IN_SYNC)


def test_what_failed_is_reported_beside_a_router_that_is_away() -> None:
    """An absent router, or a missing key, hides no step and no proof that failed."""
    switch = PlannedStep("tokyo", Phase.SWITCH, "a-to-b", "bring up", Disruption.NONE)
    step = StepEnded(switch, Status.FAILED, "it refused")
    proof = Check("traffic", passed=False, evidence="0 of 3")
    alone = Lasting(Topic.INCOMPLETE)
    assert alone not in states(run(Result.INCOMPLETE, PLAN, AWAY), frozenset())
    for failed in (step, proof):
        assert alone in states(run(Result.INCOMPLETE, PLAN, AWAY, failed), frozenset())


def test_every_topic_has_a_type() -> None:
    assert set(messages._TYPES) == set(Topic)


def test_what_concerns_most_is_not_cut_off() -> None:
    """A router with many tunnels that carry nothing does not push a router's outage out of a message."""
    many = [Notification(Topic.SILENT, f"tunnel {number}") for number in range(messages._MOST)]
    text = messages.body([*many, Notification(Topic.DOWN, "tunnel x is down")], run(Result.INCOMPLETE))
    assert text.splitlines()[0] == "- down: tunnel x is down"
    assert "- and 1 more" in text


def test_the_tunnels_of_one_router_leave_room_for_those_of_others() -> None:
    ends = [("ra", n) for n in range(30)] + [("rb", 0), ("rc", 0)]
    silent = [Impaired(f"{router}-{n}", router, Condition.SILENT, "-", NOW) for router, n in ends]
    new, _ = new_in([run(Result.IN_SYNC, PLAN, *silent)], frozenset(), ALL)
    text = messages.body(new, run(Result.IN_SYNC))
    assert all(f" at {router} " in text for router in ("ra", "rb", "rc"))
    assert "- and 12 more" in text
