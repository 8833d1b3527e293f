"""Progress of an apply: few steps one by one, many of one kind as one line, and each that was not done."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import pytest

from reconciler.cli.output import Output
from reconciler.cli.step_lines import StepLines
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Phase, Step
from tests.contract.sites import memory_site
from tests.fabrics import many_tunnels


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Step, ...]:
    site = memory_site(tmp_path_factory.mktemp("keys"), fabric=many_tunnels(20))
    return site.preview().plan.listed_steps


def shown(
    capsys: pytest.CaptureFixture[str],
    steps: Iterable[Step],
    undone: Iterable[Step] = (),
    *,
    whole: bool = False,
) -> tuple[list[str], str]:
    wanted, left = list(steps), list(undone)
    lines = StepLines(Output(argparse.Namespace(json=False, no_color=True)), whole=whole)
    lines.expect(wanted)
    for step in wanted:
        status = Status.FAILED if step in left else Status.DONE
        lines.ended(Outcome(step, status, "why" if step in left else "", 0.01))
    return capsys.readouterr().err.splitlines(), lines.account


def test_many_steps_are_a_few_lines(steps: tuple[Step, ...], capsys: pytest.CaptureFixture[str]) -> None:
    lines, account = shown(capsys, steps)
    assert len(lines) < 15
    assert "  ✓ 40 steps like [tokyo] load connection tw-tokyo-019" in lines
    assert account == f"{len(steps)} of {len(steps)} steps were done"
    assert len(shown(capsys, steps, whole=True)[0]) == len(steps)


def test_each_step_that_was_not_done_has_its_line(
    steps: tuple[Step, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    loads = [step for step in steps if step.phase is Phase.CONNECTIONS]
    lines, account = shown(capsys, steps, loads[:2])
    for step in loads[:2]:
        assert f"  ✗ [{step.router}] {step.summary}: failed: why" in lines
    assert "  ✗ 38 done, 2 not done, like [tokyo] load connection tw-tokyo-019" in lines
    assert account == f"{len(steps) - 2} of {len(steps)} steps were done"
    lines, _ = shown(capsys, steps, loads)
    assert sum("failed: why" in line for line in lines) == 20, (
        "bounded; the report at the end counts the rest"
    )


def test_what_the_plan_does_not_have_is_shown_one_by_one(
    steps: tuple[Step, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """As the steps of a second plan, which brings up what is down."""
    lines = StepLines(Output(argparse.Namespace(json=False, no_color=True)), whole=False)
    lines.expect(())
    for step in steps[:6]:
        lines.ended(Outcome(step, Status.DONE, "", 0.01))
    assert len(capsys.readouterr().err.splitlines()) == 6
    assert lines.account == "6 of 6 steps were done"
