"""A saved plan is good for one commit, one live state and one use."""

from __future__ import annotations

import pytest

from reconciler.model.errors import ExitCode
from tests.unit.cli.stage import FEW, NIGHT, NOON, WINDOW, Stage


def test_a_saved_plan_is_used_once(stage: Stage) -> None:
    stage.both("dh-group14", "dh-group15")
    path = stage.save()
    assert stage.main("apply", path, "--wait", "0.1")[0] == ExitCode.OK
    held = stage.live()
    code, shown = stage.main("apply", path)
    assert code == ExitCode.STALE
    assert "or the plan was applied already" in shown
    assert stage.live() == held


def test_a_saved_plan_is_stale_when_the_commit_has_changed(stage: Stage) -> None:
    stage.both("dh-group14", "dh-group15")
    path = stage.save()
    stage.both("dh-group15", "dh-group16")
    held = stage.live()
    code, shown = stage.main("apply", path)
    assert code == ExitCode.STALE
    assert "the desired state has changed" in shown
    assert stage.live() == held


def test_a_saved_plan_is_stale_when_a_router_has_changed(stage: Stage) -> None:
    stage.both("dh-group14", "dh-group15")
    path = stage.save()
    stage.site.routers["tokyo"].host.table = None
    held = stage.live()
    code, shown = stage.main("apply", path)
    assert code == ExitCode.STALE
    assert "the live routers have changed" in shown
    assert stage.live() == held


def test_a_saved_plan_is_judged_anew_when_it_is_applied(stage: Stage) -> None:
    """Saved in the window, applied after: what interrupts waits although the plan is still true."""
    stage.site.commit({"policy.yaml": WINDOW})
    stage.reconnect()
    stage.clock = NIGHT
    path = stage.save()
    stage.clock = NOON
    held = stage.live()
    assert stage.main("apply", path)[0] == ExitCode.DEFERRED
    assert stage.live() == held
    stage.clock = NIGHT
    assert stage.main("apply", path, "--wait", "0.1")[0] == ExitCode.OK


def test_the_codes_of_refusals_differ(stage: Stage) -> None:
    """Stale, locked and unsafe; the lock comes first, then whether the plan is still true."""
    stage.site.commit({"policy.yaml": WINDOW.partition("  windows")[0] + FEW})
    stage.both("spec:\n", "spec:\n  enabled: false\n")
    path = str(stage.keys / "plan.json")
    assert stage.run("plan", "--out", path)[0] == ExitCode.UNSAFE
    assert stage.main("apply", path)[0] == ExitCode.UNSAFE
    stage.site.routers["paris"].host.table = None
    assert stage.main("apply", path)[0] == ExitCode.STALE
    stage.site.routers["paris"].host.lock("another", 60)
    assert stage.main("apply", path)[0] == ExitCode.LOCKED


@pytest.mark.parametrize(
    "other", [("--lab", "other"), ("--rev", "main~1"), ("--target", "x"), ("--exclude", "x")]
)
def test_a_saved_plan_is_applied_to_nothing_else(stage: Stage, other: tuple[str, str]) -> None:
    """With another lab named, the plan would be expected to be applied there."""
    saved = stage.save()
    code, text = stage.main("apply", saved, *other)
    assert code == ExitCode.ERROR
    assert f"the saved plan was made with another {other[0]}" in text
    assert stage.main("apply", saved, "--wait", "0.1")[0] == ExitCode.OK
