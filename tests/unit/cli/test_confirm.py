"""`apply --confirm`: what it says, and what is said of a router that is armed or has gone back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.cli.arguments.options import _duration
from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.model.way_back import Armed, Arming, Cause, Saved
from tests.unit.cli.stage import Stage

ARMING = Arming("0123456789abcdef", "you@there", "d" * 64, "c" * 40, 300)
BOTH = ("paris", "tokyo")


def arm(stage: Stage, left: int = 300) -> None:
    """As another controller has, that is gone."""
    for name in BOTH:
        host = stage.site.routers[name].host
        host.arm(ARMING, Saved())
        host.way_back = replace(host.way_back, armed=Armed(name, ARMING, left))


def test_arming_and_confirming_are_steps_of_the_plan(stage: Stage) -> None:
    stage.both("dh-group14", "dh-group15")
    code, shown = stage.apply("--confirm", "5m")
    assert code == ExitCode.OK, shown
    arms = [f"[{name}] save the state, to go back in 5 min unless this is confirmed" for name in BOTH]
    assert f"Steps, in this order:\n    1. {arms[0]}\n    2. {arms[1]}\n" in shown
    for words in (*arms, *(f"[{name}] confirm the change" for name in BOTH)):
        assert f"  ✓ {words} (" in shown
    assert "Apply complete!" in shown
    assert all(stage.site.routers[name].host.way_back.armed is None for name in BOTH)


def test_json_reports_them_as_well(stage: Stage) -> None:
    stage.both("dh-group14", "dh-group15")
    stage.capsys.readouterr()
    words = ["apply", "--auto-approve", "--wait", "0.1", "--confirm", "90s", "--json"]
    assert main([*words, str(stage.site.tree), "--secrets", str(stage.keys)]) == ExitCode.OK
    objects = [json.loads(line) for line in stage.capsys.readouterr().out.splitlines()]
    [planned] = [item for item in objects if item["type"] == "to_confirm"]
    assert planned["seconds"] == 90
    assert [(s["router"], s["phase"]) for s in planned["steps"]] == [
        (name, phase) for phase in ("arm", "confirm") for name in BOTH
    ]
    phases = [item["phase"] for item in objects if item["type"] == "outcome"]
    assert (phases[:2], phases[-2:]) == (["arm"] * 2, ["confirm"] * 2)


def test_without_changes_nothing_is_armed(stage: Stage) -> None:
    code, shown = stage.apply("--confirm", "5m")
    assert (code, "save the state" in shown) == (ExitCode.OK, False)


def test_an_armed_router_is_shown_and_not_changed(stage: Stage) -> None:
    arm(stage)
    said = f"! paris: armed: commit {'c' * 12} by you@there is not confirmed; it goes back at "
    for command in ("plan", "status"):
        code, shown = stage.run(command)
        assert (code, said in shown) == (ExitCode.OK, True), shown
    stage.both("dh-group14", "dh-group15")
    held = stage.live()
    code, shown = stage.apply()
    assert code == ExitCode.LOCKED, shown
    assert "a change by you@there is not confirmed yet" in shown
    assert "it goes back in 300 s; use --lock-timeout to wait" in shown
    assert stage.live() == held


def test_json_shows_it(stage: Stage) -> None:
    arm(stage, left=0)
    _, shown = stage.run("status", "--json")
    [first, _] = [item for item in map(json.loads, shown.splitlines()) if item["type"] == "armed"]
    assert first == {
        "type": "armed",
        "router": "paris",
        "id": ARMING.id,
        "by": "you@there",
        "commit": "c" * 40,
        "digest": "d" * 64,
        "seconds": 300,
        "left": 0,
    }
    assert "it goes back now" in stage.run("status")[1]


def test_a_router_that_went_back_is_reported_until_an_apply_has_reported_it(stage: Stage) -> None:
    arm(stage)
    for name in BOTH:
        stage.site.routers[name].host.restore(Cause.DEADLINE)
    for command in ("plan", "status", "plan"):
        _, shown = stage.run(command)
        assert "! paris: went back at 2" in shown
        assert f"UTC from commit {'c' * 12} by you@there: it was not confirmed in time" in shown
    code, shown = stage.apply()
    assert (code, "went back at" in shown) == (ExitCode.OK, True), shown
    assert "went back at" not in stage.apply()[1]


def test_what_does_not_prove_good_goes_back_as_a_whole(stage: Stage) -> None:
    """The peer agrees to nothing any more: the old SAs carry on, and the new configuration does not stay."""
    files = {name: dict(stage.site.routers[name].host.files) for name in BOTH}
    spis = stage.site.spis()
    stage.site.routers["tokyo"].vici.narrows = lambda _: []
    stage.both("dh-group14", "dh-group15")
    code, shown = stage.apply("--confirm", "5m")
    assert code == ExitCode.INCOMPLETE, shown
    assert "[paris] confirm the change: failed: it went back: " in shown
    assert "Apply incomplete" in shown
    assert {name: dict(stage.site.routers[name].host.files) for name in BOTH} == files
    assert stage.site.spis() == spis


def test_the_way_that_carries_us_may_be_changed(stage: Stage) -> None:
    stage.site.routers["paris"].host.management = ("10.1.0.1", "10.2.0.9")
    stage.reconnect()
    code, shown = stage.apply()
    assert code == ExitCode.DEFERRED, shown
    assert "carries the connection to paris itself (10.2.0.9 to 10.1.0.1)" in shown
    code, shown = stage.apply("--confirm", "5m")
    assert code == ExitCode.OK, shown


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("24h", 86_400)])
def test_a_time(text: str, seconds: int) -> None:
    assert _duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "9", "25h", "-5m", "5 m", "m", "1e3", "5d", "\u0669\u0669m", "9" * 5000]
)
def test_what_is_no_time_is_refused(stage: Stage, text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        stage.apply(f"--confirm={text}")
    assert ended.value.code == ExitCode.ERROR
    assert "must be a time from 10s to 24h" in stage.capsys.readouterr().err
