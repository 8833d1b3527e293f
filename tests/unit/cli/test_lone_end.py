"""A tunnel end whose managed other end goes together with its router: what commands and runs make of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.model.judgement import Deferral
from reconciler.model.record import Result
from reconciler.secrets import SecretStore
from tests.allowed import ALLOWED
from tests.documents import WAN
from tests.unit.cli.stage import Stage

SAID = "paris-tokyo loses its managed other end, and its peer 203.0.113.12 would become unmanaged"
HINT = "delete this end too, or bring back the other one; if its peer is unmanaged, set `peer.managed: false`"


def without_tokyo(stage: Stage) -> str:
    """Tokyo is in Git no more, neither its router nor its end, and its address is in no range of VIPs, which
    `validate` would miss it in. At paris there is something else to do."""
    stage.site.routers["paris"].host.table = None
    wan = WAN.replace("last: 203.0.113.99", "last: 203.0.113.11")
    return stage.site.commit({"wan.yaml": wan, "tokyo.yaml": None, "tokyo-tunnel.yaml": None})


def tunnel_at(stage: Stage, router: str) -> tuple[object, ...]:
    """All that a router holds and runs of its tunnel: what is left untouched."""
    files, keys, _, running, loaded = stage.live()[router]
    return files, keys, running, loaded


def test_apply_leaves_a_lone_end_as_it_is(stage: Stage) -> None:
    """It waits, whatever is overridden, until Git says whose its other end is; all else is done."""
    without_tokyo(stage)
    held, tokyo = tunnel_at(stage, "paris"), stage.live()["tokyo"]
    for words in ((), ("--override", "deletions", "--override", "windows", "--override", "budget")):
        code, shown = stage.apply(*words)
        assert code == ExitCode.DEFERRED
        assert f"Deferred; the rest is done:\n  … paris/tunnel/paris-tokyo: {SAID} ({HINT})\n" in shown
        assert stage.site.routers["paris"].host.table is not None
        assert tunnel_at(stage, "paris") == held
        assert stage.live()["tokyo"] == tokyo, "who is not in Git is not looked at"
    stage.site.edit("paris-tunnel.yaml", "  peer:\n", "  peer:\n    managed: false\n")
    assert stage.apply()[0] == ExitCode.OK
    assert stage.run("plan", "--detailed-exitcode")[0] == ExitCode.OK


def test_plan_reports_a_lone_end(stage: Stage) -> None:
    without_tokyo(stage)
    code, shown = stage.run("plan", "--detailed-exitcode")
    assert (code, f"… paris/tunnel/paris-tokyo: {SAID}" in shown) == (ExitCode.CHANGES, True)
    _, shown = stage.run("plan", "--json")
    [found] = [item for item in map(json.loads, shown.splitlines()) if item["type"] == "deferred"]
    assert (found["resources"], found["override"]) == (["paris/tunnel/paris-tokyo"], None)


def test_a_saved_plan_does_not_touch_a_lone_end(stage: Stage) -> None:
    without_tokyo(stage)
    held = tunnel_at(stage, "paris")
    assert stage.main("apply", stage.save(), "--wait", "0.1")[0] == ExitCode.DEFERRED
    assert tunnel_at(stage, "paris") == held


def test_preview_refuses_a_commit_that_leaves_a_lone_end(stage: Stage) -> None:
    without_tokyo(stage)
    words = ["preview", str(stage.site.tree), "--base", "main~1", "--head", "main"]
    stage.capsys.readouterr()
    assert main(words) == ExitCode.UNSAFE
    assert f"✗ paris/tunnel/paris-tokyo: {SAID}\n    hint: {HINT}\n" in stage.capsys.readouterr().out
    # A router says so of its own files, which costs that tunnel alone.
    code, shown = stage.main(*words, "--live")
    assert (code, f"… paris/tunnel/paris-tokyo: {SAID}" in shown) == (ExitCode.OK, True)


def test_a_run_leaves_a_lone_end_as_it_is(stage: Stage) -> None:
    """The commit is not good before it is done."""
    service = stage.site.service()
    good = service.once().head
    head = without_tokyo(stage)
    held, tokyo = tunnel_at(stage, "paris"), stage.live()["tokyo"]
    for result in (Result.CHANGED, Result.HELD):
        record = service.once()
        assert (record.result, record.in_force) == (result, head), record.message
        assert f"1 resource held: paris/tunnel/paris-tokyo ({SAID}" in record.message
        assert [[str(resource) for resource in item.resources] for item in record.of(Deferral)] == [
            ["paris/tunnel/paris-tokyo"]
        ]
        assert stage.site.routers["paris"].host.table is not None
        assert tunnel_at(stage, "paris") == held
        assert stage.live()["tokyo"] == tokyo
        assert service.dependencies.history.good() == good
        assert service.dependencies.history.reached()["paris"] == good
    stage.site.edit("paris-tunnel.yaml", "  peer:\n", "  peer:\n    managed: false\n")
    repaired = service.once()
    assert repaired.result is Result.CHANGED, repaired.message
    assert service.dependencies.history.good() == repaired.head


def test_a_weak_key_is_refused_where_it_would_be_loaded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: what a limit puts off loads no key, for a command as for a run."""
    base = stage.site.repository.head.commit.hexsha
    weak = {"KEY": "hunter2hunter2", **ALLOWED}
    monkeypatch.setenv("KEY", weak["KEY"])
    service = stage.site.service()
    service.dependencies = replace(
        service.dependencies, store=SecretStore(stage.site.folder / "secrets", weak)
    )
    refused = "keys are weak: env:KEY"
    held = stage.live()
    for words in (("plan",), ("apply", "--auto-approve")):
        code, shown = stage.run(*words)
        assert (code, f"error: {refused}" in shown) == (ExitCode.INVALID, True), words
    record = service.once()
    assert (record.result, refused in record.message) == (Result.FAILED, True)
    assert stage.live() == held
    without_tokyo(stage)
    for words, ended in ((("plan",), ExitCode.OK), (("apply", "--auto-approve"), ExitCode.DEFERRED)):
        code, shown = stage.run(*words)
        assert (code, SAID in shown, refused in shown) == (ended, True, False), words
    code, shown = stage.main("preview", str(stage.site.tree), "--base", base, "--live")
    assert (code, SAID in shown, refused in shown) == (ExitCode.OK, True, False)
    record = service.once()
    assert (record.result, refused in record.message) == (Result.HELD, False)
