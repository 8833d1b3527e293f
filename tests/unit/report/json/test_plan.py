"""A plan's digest is in saved plans and in the heads of those who compare two of them: it stays as it is."""

from __future__ import annotations

from itertools import islice

import pytest

from reconciler.model import bounds
from reconciler.model.absence import Absence, AbsenceKind
from reconciler.model.operation import Terminate
from reconciler.model.plan import (
    Action,
    Disruption,
    Phase,
    Plan,
    Resource,
    ResourceChange,
    ResourceKind,
    Step,
)
from reconciler.model.swanctl import UNOBSERVABLE, Change
from reconciler.report.json import plan as plan_json
from reconciler.report.json.plan import plan_digest, plan_objects
from tests.unit.report.json.written import END

MANY = tuple(
    Change(f"p{number}", str(number), ("a", str(number)), "kernel")
    for number in range(bounds.FIELDS_WRITTEN + 500)
)
PLAN = Plan(
    (
        ResourceChange(
            END,
            Action.UPDATE,
            "reason",
            (Change("a", UNOBSERVABLE, None, "vici"),),
            (
                Step(
                    "paris",
                    Phase.SWITCH,
                    "paris-tokyo",
                    "bring up",
                    Disruption.MAKE_BEFORE_BREAK,
                    Terminate("x"),
                ),
            ),
        ),
        ResourceChange(
            Resource("tokyo", ResourceKind.FIREWALL, "tunnelwright"), Action.CREATE, "é", MANY, ()
        ),
    ),
    {
        "oslo": Absence(AbsenceKind.UNREACHABLE, "no route"),
        "rome": Absence(AbsenceKind.CHANGED, "it has changed"),
    },
    {"rome-oslo": "why"},
    frozenset({"rome-oslo"}),
)
DIGEST = "7313083b1211984a52a7c3bac12a78552cec9ed6d0e78f97738aebb108c4c1ec"


def test_the_digest_of_a_plan_stays_as_it_is() -> None:
    assert plan_digest(PLAN) == DIGEST


def test_the_digest_is_over_what_is_not_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = (*PLAN.changes[:1], ResourceChange(END, Action.CREATE, "é", MANY[:-1], ()))
    assert plan_digest(Plan(changes)) != plan_digest(Plan((changes[0], *PLAN.changes[1:])))
    monkeypatch.setattr("reconciler.plan.events.FIELDS_WRITTEN", 10)
    assert plan_digest(PLAN) == DIGEST


def test_a_plan_is_written_in_order_and_what_is_left_out_is_counted() -> None:
    written = list(plan_objects(PLAN))
    assert [item["type"] for item in written] == [
        "resource_change",
        "resource_change",
        "unreachable",
        "unreachable",
        "withheld",
        "plan_summary",
    ]
    assert (len(written[1]["changes"]), written[1]["more_changes"]) == (bounds.FIELDS_WRITTEN, 500)
    assert "more_changes" not in written[0]
    assert written[-1] == {"type": "plan_summary", "create": 1, "update": 1, "delete": 0, "digest": DIGEST}


def test_a_plan_that_is_shown_as_text_alone_gets_no_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands hand over objects whether or not they are written, and a digest visits every field."""
    visits: list[Plan] = []

    def digest(plan: Plan) -> str:
        visits.append(plan)
        return "digest"

    monkeypatch.setattr(plan_json, "plan_digest", digest)
    objects = plan_objects(PLAN)
    assert visits == []
    assert len(list(islice(objects, 1))) == 1
    assert visits == [PLAN]
