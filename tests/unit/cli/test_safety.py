"""`plan`, `apply`, `reconnect` and `reconcile` under the limits, over routers in memory: what they say, what
they do and what they end with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.model.judgement import Deferral, Refusal
from reconciler.model.record import Result
from reconciler.report.json.events import encode
from tests.unit.cli.stage import ENDS, FEW, NIGHT, WINDOW, Stage


def test_protection_outlives_the_document(stage: Stage) -> None:
    stage.both("spec:\n", "spec:\n  deletionProtection: true\n")
    assert stage.apply()[0] == ExitCode.OK
    held = stage.live()
    stage.site.commit(dict.fromkeys(ENDS))
    limits = [w for limit in ("deletions", "windows", "budget", "management") for w in ("--override", limit)]
    for words in (["plan", "--detailed-exitcode"], ["apply", "--auto-approve"], ["apply", *limits]):
        code, shown = stage.run(*words)
        assert code == (2 if words[0] == "plan" else ExitCode.DEFERRED), shown
        assert "… paris/tunnel/paris-tokyo, tokyo/tunnel/tokyo-paris: it is protected from deletion" in shown
        assert "as its files on paris, tokyo say (first commit and apply `deletionProtection: false`" in shown
    assert stage.live() == held
    stage.site.repository.git.revert("HEAD", no_edit=True)
    stage.both("deletionProtection: true", "deletionProtection: false")
    assert stage.apply()[0] == ExitCode.OK
    stage.site.commit(dict.fromkeys(ENDS))
    assert stage.apply()[0] == ExitCode.OK
    assert all(not files for files, *_ in stage.live().values())


def test_what_waits_is_reported_and_has_a_code_of_its_own(stage: Stage) -> None:
    stage.site.commit({"policy.yaml": WINDOW})
    stage.reconnect()
    held = stage.live()
    code, shown = stage.run("plan", "--detailed-exitcode")
    assert code == ExitCode.CHANGES
    waits = (
        "  … paris/tunnel/paris-tokyo, tokyo/tunnel/tokyo-paris: no maintenance window is open, "
        "until 2026-05-10 02:00Z (--override windows)"
    )
    assert f"Deferred; the rest is done:\n{waits}\n" in shown
    assert stage.apply()[0] == ExitCode.DEFERRED
    assert stage.live() == held
    stage.clock = NIGHT
    code, shown = stage.apply()
    assert (code, "Deferred" in shown) == (ExitCode.OK, False)
    assert stage.run("plan", "--detailed-exitcode")[0] == ExitCode.OK


@pytest.mark.parametrize("saying", ["waits", "refused"])
def test_every_command_says_how_much_is_not_done_now(stage: Stage, saying: str) -> None:
    """What is in the clear once a deferred deletion is made is not in the clear now."""
    if saying == "waits":
        stage.both("spec:\n", "spec:\n  deletionProtection: true\n")
        assert stage.apply()[0] == ExitCode.OK
    else:
        stage.site.commit({"policy.yaml": WINDOW + FEW})
    stage.site.commit(dict.fromkeys(ENDS))
    outputs = []
    later = "Once the rest of the plan is applied, no tunnel guards this traffic"
    for words in (
        ("plan",),
        ("apply", "--auto-approve"),
        ("preview", "--base", "HEAD~1", "--live"),
        ("preview", "--base", "HEAD~1", "--live", "--format", "markdown"),
    ):
        outputs.append(stage.run(*words)[1])
    stage.capsys.readouterr()
    main(["preview", str(stage.site.tree), "--base", "HEAD~1"])
    outputs.append(stage.capsys.readouterr().out)
    for shown in outputs:
        assert "4 to destroy; none of this is done now, see below." in shown
        assert "Disruption: 2 destroys; of what is done now: none." in shown
        assert (shown.count("network in the clear"), shown.count(later)) == (1, 1)
    for words in (("plan", "--json"), ("preview", "--base", "HEAD~1", "--live", "--format", "json")):
        objects = [json.loads(line) for line in stage.run(*words)[1].splitlines() if line.startswith("{")]
        _says_later(objects)


def _says_later(objects: Sequence[dict[str, Any]]) -> None:
    [summary] = [item for item in objects if item["type"] == "plan_summary"]
    assert summary["later"] == sum(summary[action] for action in ("create", "update", "delete"))
    exposed = [item for item in objects if item["type"] == "exposed"]
    assert exposed
    assert all(item["later"] for item in exposed)


def test_a_key_of_fingerprints_that_is_made_is_reported_once(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    (made := stage.keys / "fingerprint.key").unlink()
    for count in (1, 0):
        capsys.readouterr()
        main(["plan", str(stage.site.tree), "--secrets", str(stage.keys)])
        said = capsys.readouterr().err
        assert said.count(f"note: {made} was made: the key of the fingerprints") == count
        assert made.read_text() not in said


def test_the_command_reconnects_in_the_window_or_when_allowed_to(stage: Stage) -> None:
    stage.site.commit({"policy.yaml": WINDOW})
    before = stage.live()["paris"][3]
    words = ("reconnect", "paris-tokyo", str(stage.site.tree), "--auto-approve", "--wait", "0.1")
    assert stage.main(*words)[0] == ExitCode.DEFERRED
    assert stage.live()["paris"][3] == before
    code, shown = stage.main(*words, "--override", "windows")
    assert code == ExitCode.OK
    assert "Overridden:\n  ! paris/tunnel/paris-tokyo" in shown
    assert stage.live()["paris"][3] != before


def test_as_json(stage: Stage) -> None:
    stage.site.commit({"policy.yaml": WINDOW})
    stage.reconnect()
    _, shown = stage.run("plan", "--json")
    [found] = [item for item in map(json.loads, shown.splitlines()) if item["type"] == "deferred"]
    assert found == {
        "type": "deferred",
        "resources": ["paris/tunnel/paris-tokyo", "tokyo/tunnel/tokyo-paris"],
        "reason": "no maintenance window is open",
        "override": "windows",
        "until": "2026-05-10T02:00:00+00:00",
    }
    _, shown = stage.run("plan", "--json", "--override", "windows")
    assert [json.loads(line)["type"] for line in shown.splitlines()][-1] == "overridden"


def test_a_reconcile_run_waits_and_refuses_as_well(stage: Stage) -> None:
    stage.site.commit({"policy.yaml": WINDOW})
    stage.both("spec:\n", "spec:\n  deletionProtection: true\n")
    record = stage.site.once()
    assert record.result is Result.CHANGED, record.message
    stage.reconnect()
    held = stage.live()
    record = stage.site.once()
    assert record.result is Result.HELD
    assert "paris/tunnel/paris-tokyo (no maintenance window is open)" in record.message
    assert record.of(Deferral)
    stage.site.commit(dict.fromkeys(ENDS))
    record = stage.site.once()
    assert record.result is Result.HELD, "it is protected"
    assert "protected from deletion, as its files on paris, tokyo say" in record.message
    _says_later([encode(event) for event in record.events])
    assert stage.live() == held
    stage.site.commit({"policy.yaml": WINDOW + FEW})
    record = stage.site.once()
    assert record.result is Result.FAILED
    assert "refused as unsafe, nothing was done" in record.message
    _says_later([encode(event) for event in record.events])
    assert record.of(Refusal)
    assert stage.live() == held


def test_a_weak_key_does_not_hide_what_waits(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.both("spec:\n", "spec:\n  deletionProtection: true\n")
    assert stage.apply()[0] == ExitCode.OK
    stage.site.commit({ENDS[0]: None})
    stage.site.edit(ENDS[1], "  peer:\n", "  peer:\n    managed: false\n")
    monkeypatch.setenv("KEY", "hunter2hunter2")
    for words in (("plan",), ("apply", "--auto-approve")):
        code, shown = stage.run(*words)
        assert (code, "keys are weak" in shown) == (ExitCode.INVALID, True)
        assert "paris/tunnel/paris-tokyo: it is protected from deletion" in shown
