"""A plan for people: bounded where a reader would stop, and counted."""

from __future__ import annotations

from itertools import combinations

import pytest

from reconciler.apply.loss import Measured
from reconciler.model.bounds import FIELDS_SHOWN
from reconciler.model.observation import Observation
from reconciler.model.operation import SetSysctls
from reconciler.model.outcome import Check, Outcome, Status
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
from reconciler.model.swanctl import Change
from reconciler.operations.apply import Applied
from reconciler.policy import Judgement
from reconciler.report.markdown import comment
from reconciler.report.plan_text import applied_lines, plan_lines


def test_a_table_of_thousands_of_networks_is_counted() -> None:
    fields = tuple(Change(f"guarded[{number}]", None, "present", "kernel") for number in range(5_000))
    resource = Resource("router-a", ResourceKind.FIREWALL, "tunnelwright")
    change = ResourceChange(resource, Action.UPDATE, "differs", fields, ())
    plan = Plan((change,), {}, {})
    text = "\n".join(line.text for line in plan_lines(plan))
    said = comment(plan, Judgement(), (), [], base="a", head="b", unchanged="No changes.")
    for shown in (text, said):
        assert shown.count("guarded[") == 1
        assert "(and 4999 more like it)" in shown
    whole = "\n".join(line.text for line in plan_lines(plan, whole=True))
    assert whole.count("guarded[") == FIELDS_SHOWN
    assert f"and {5_000 - FIELDS_SHOWN:,} more fields" in whole


def test_only_what_is_whole_and_proven_is_called_complete() -> None:
    def last(passed: bool, *left_out: str) -> str:
        checks = [Check("paris: unrelated tunnels untouched", passed, "")]
        return [line.text for line in applied_lines(Plan(), (), Plan(), checks, left_out)][-1]

    assert last(True).startswith("Apply complete! ")
    assert last(False) == "Apply incomplete: every step was done, but 1 check failed."
    assert last(True, "tokyo").startswith("Applied in part. ")
    assert last(True, "tokyo", "x").endswith("Left out: tokyo, x")


STEP = Step("paris", Phase.HOST, "", "set kernel settings", Disruption.NONE, SetSysctls({}))
CHANGE = ResourceChange(
    Resource("paris", ResourceKind.SYSCTLS, "forwarding"), Action.UPDATE, "differs", (), ()
)


@pytest.mark.parametrize("statuses", [some for count in range(4) for some in combinations(Status, count)])
@pytest.mark.parametrize("remaining", [Plan(), Plan((CHANGE,))], ids=["nothing left", "something left"])
@pytest.mark.parametrize("passed", [True, False])
def test_the_words_agree_with_what_decides_the_exit_code(
    statuses: tuple[Status, ...], remaining: Plan, *, passed: bool
) -> None:
    outcomes = tuple(Outcome(STEP, status, "why", 0.1) for status in statuses)
    checks = (Check("paris: unrelated tunnels untouched", passed, ""),)
    applied = Applied(outcomes, remaining, checks, Measured(), Observation({}, {}))
    for left_out in ((), ("tokyo",)):
        text = [line.text for line in applied_lines(Plan(), outcomes, remaining, checks, left_out)]
        whole = [line for line in text if line.startswith(("Apply complete!", "Applied in part."))]
        assert (text[-1:] == whole) is applied.converged
        assert any("Apply incomplete" in line for line in text) is not applied.converged
