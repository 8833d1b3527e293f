"""A plan for people: bounded where nobody would read on, and counted."""

from __future__ import annotations

from reconciler.model.bounds import FIELDS_SHOWN
from reconciler.model.outcome import Check
from reconciler.model.plan import Action, Plan, Resource, ResourceChange, ResourceKind
from reconciler.model.settings import Change
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
        assert shown.count("guarded[") == FIELDS_SHOWN
        assert f"and {5_000 - FIELDS_SHOWN} more fields" in shown


def test_only_what_is_whole_and_proven_is_called_complete() -> None:
    def last(passed: bool, *left_out: str) -> str:
        checks = [Check("paris: unrelated tunnels untouched", passed, "")]
        return [line.text for line in applied_lines(Plan(), (), Plan(), checks, left_out)][-1]

    assert last(True).startswith("Apply complete! ")
    assert last(False) == "Apply incomplete: every step was done, but 1 check failed."
    assert last(True, "tokyo").startswith("Applied in part. ")
    assert last(True, "tokyo", "x").endswith("Left out: tokyo, x")
