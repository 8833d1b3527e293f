"""`plan`, `apply`, `reconnect` and `reconcile` under the limits, over routers in memory: what they say, what
they do and what they end with. Saved plans are good for one commit, one live state and one use."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler import establish, run
from reconciler.cli import output, workspace
from reconciler.cli.main import main
from reconciler.model.errors import CommandRejected, ExitCode, Locked
from reconciler.model.record import Result
from reconciler.model.router_config import LiveFile
from reconciler.model.secret import Secret
from reconciler.observe import observe
from reconciler.routers import allowance
from reconciler.routers.protocol import HostSnapshot, Router
from tests.allowed import ALLOWED
from tests.documents import document
from tests.odd import Twists, changed, fails
from tests.slow import Clock, slowly
from tests.unit.service.followed import KEY, KEYED, Followed, alone, followed

NOON = datetime(2026, 5, 9, 12, tzinfo=UTC)
NIGHT = datetime(2026, 5, 10, 2, 30, tzinfo=UTC)
WINDOW = """\
apiVersion: tunnelwright/v1
kind: SafetyPolicy
metadata: {name: fleet}
spec:
  windows: [{kind: allow, schedule: 0 2 * * *, duration: 3600}]
"""
FEW = "  deletions: {maxShare: 10, minimum: 1}\n"
ENDS = ("paris-tunnel.yaml", "tokyo-tunnel.yaml")


@dataclass(slots=True)
class Stage:
    """A repository, two routers with one tunnel between them, a clock, and what was printed."""

    site: Followed
    keys: Path
    capsys: pytest.CaptureFixture[str]
    clock: datetime = NOON

    def run(self, command: str, *words: str) -> tuple[int, str]:
        return self.main(command, str(self.site.tree), *words)

    def main(self, *words: str) -> tuple[int, str]:
        self.capsys.readouterr()
        code = main([*words, "--secrets", str(self.keys)])
        shown = self.capsys.readouterr()
        return code, shown.out + shown.err

    def apply(self, *words: str) -> tuple[int, str]:
        return self.run("apply", "--auto-approve", "--wait", "0.1", *words)

    def save(self) -> str:
        path = str(self.keys / "plan.json")
        assert self.run("plan", "--out", path)[0] == ExitCode.OK
        return path

    def both(self, old: str, new: str) -> None:
        for name in ENDS:
            self.site.edit(name, old, new)

    def reconnect(self, value: str = "now") -> None:
        """What interrupts, in Git."""
        for name, there in zip(ENDS, ("tokyo", "paris"), strict=True):
            wanted = f"-{there}, annotations: {{tunnelwright/reconnect: {value}}}}}"
            self.site.edit(name, f"-{there}}}", wanted)

    def live(self) -> dict[str, Any]:
        """What the routers hold and run."""
        seen = observe(self.site.connect, dict.fromkeys(self.site.routers, ()))
        return {n: (s.files, s.secret_ids, s.firewall, s.sas, s.connections) for n, s in seen.states.items()}


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Stage:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    made = Stage(followed(tmp_path), keys, capsys)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            assert tz is UTC
            return made.clock

    monkeypatch.setattr(run, "datetime", Clock)
    monkeypatch.setattr(establish, "OVERLAP", 0.0)
    monkeypatch.setattr(workspace, "connector", lambda *_: made.site.connect)
    for variable, value in {"KEY": KEY, **ALLOWED}.items():
        monkeypatch.setenv(variable, value)
    assert made.apply()[0] == ExitCode.OK
    return made


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
        assert "as its file on paris, tokyo says (first commit and apply `deletionProtection: false`" in shown
    assert stage.live() == held
    stage.site.repository.git.revert("HEAD", no_edit=True)
    stage.both("deletionProtection: true", "deletionProtection: false")
    assert stage.apply()[0] == ExitCode.OK
    stage.site.commit(dict.fromkeys(ENDS))
    assert stage.apply()[0] == ExitCode.OK
    assert all(not files for files, *_ in stage.live().values())


def test_what_waits_is_told_and_has_a_code_of_its_own(stage: Stage) -> None:
    stage.site.commit({"policy.yaml": WINDOW})
    stage.reconnect()
    held = stage.live()
    code, shown = stage.run("plan", "--detailed-exitcode")
    assert code == ExitCode.CHANGES
    waits = (
        "  … paris/tunnel/paris-tokyo, tokyo/tunnel/tokyo-paris: no maintenance window is open, "
        "until 2026-05-10 02:00Z (--override windows)"
    )
    assert f"Deferred; the rest goes on without:\n{waits}\n" in shown
    assert stage.apply()[0] == ExitCode.DEFERRED
    assert stage.live() == held
    stage.clock = NIGHT
    code, shown = stage.apply()
    assert (code, "Deferred" in shown) == (ExitCode.OK, False)
    assert stage.run("plan", "--detailed-exitcode")[0] == ExitCode.OK


def test_the_command_reconnects_in_the_window_or_when_told_to(stage: Stage) -> None:
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
    stage.site.routers["paris"].host.lock("somebody", 60)
    assert stage.main("apply", path)[0] == ExitCode.LOCKED


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
    assert "deferred" in {item["type"] for item in record.objects}
    stage.site.commit(dict.fromkeys(ENDS))
    record = stage.site.once()
    assert record.result is Result.HELD, "it is protected"
    assert "protected from deletion, as its file on paris, tokyo says" in record.message
    assert stage.live() == held
    stage.site.commit({"policy.yaml": WINDOW + FEW})
    record = stage.site.once()
    assert record.result is Result.FAILED
    assert "refused as unsafe, nothing was done" in record.message
    assert "refused" in {item["type"] for item in record.objects}
    assert stage.live() == held


@pytest.mark.parametrize(
    ("twist", "code", "said"),
    [
        (
            {"lock": fails(CommandRejected("sh: 3: flock: not found"))},
            ExitCode.UNREACHABLE,
            "! paris: not planned, its lock cannot be taken: sh: 3: flock: not found (it needs flock(1)",
        ),
        (
            {"lock": fails(Locked("you@there:2/7", router="paris"))},
            ExitCode.LOCKED,
            "! paris: not planned, you@there:2 is changing this router",
        ),
        (
            {"snapshot": changed(firewall='{"nftables": 5}')},
            ExitCode.UNREACHABLE,
            "! paris: not planned, its answer was not understood: nft list table: nftables: 5 is not a list",
        ),
        (
            {"list-conns": fails(KeyError("children"))},
            ExitCode.UNREACHABLE,
            "! paris: not planned, an unforeseen error: KeyError: 'children'",
        ),
    ],
)
def test_an_apply_does_what_it_can_without_a_router(
    stage: Stage, twist: Twists, code: ExitCode, said: str
) -> None:
    """Its other end waits; what else there is to do at the others is done."""
    assert stage.apply()[0] == ExitCode.OK
    for router in stage.site.routers.values():
        router.host.table = None
    stage.both("dh-group14", "dh-group15")
    loaded = dict(stage.site.routers["tokyo"].vici.connections)
    stage.site.twists["paris"] = twist
    found, text = stage.apply()
    assert found == code
    assert said in text
    assert "! tokyo-paris: withheld, its other end is at paris, which is not planned" in text
    assert stage.site.routers["paris"].host.table is None
    assert stage.site.routers["tokyo"].host.table is not None
    assert stage.site.routers["tokyo"].vici.connections == loaded
    stage.site.twists.clear()
    assert stage.apply()[0] == ExitCode.OK
    assert stage.site.routers["tokyo"].vici.connections != loaded


def invented(true: Callable[[], HostSnapshot]) -> HostSnapshot:
    """Files of tunnels that nobody made."""
    found = true()
    junk = {f"tw-junk{number}.conf": LiveFile(Secret(b"connections {}"), 0o600) for number in range(30)}
    return replace(found, files={**found.files, **junk})


def test_a_router_that_invents_tunnels_is_told_and_the_others_are_done(stage: Stage) -> None:
    """By plan, by apply and by a saved plan; only --override destroys what it lists."""
    for router in stage.site.routers.values():
        router.host.table = None
    stage.site.twists["paris"] = {"snapshot": invented}
    said = (
        "! paris: not planned, 30 of the 31 tunnel ends on it would be destroyed, more than 30%, and nothing "
        "shows that Git ever had: junk0, junk1, junk10, junk11, junk12, junk13 and 24 more (find out who "
        "made them; --override deletions destroys them)\n"
    )
    saved = str(stage.keys / "plan.json")
    for words in ((), ("--out", saved)):
        code, text = stage.run("plan", *words)
        assert (code, said in text) == (ExitCode.UNREACHABLE, True)
        assert 'firewall "inet tunnelwright" at tokyo' in text
    code, text = stage.main("apply", saved, "--wait", "0.1")
    assert (code, said in text) == (ExitCode.UNREACHABLE, True)
    assert "Apply complete!" in text
    tables = {name: router.host.table is None for name, router in stage.site.routers.items()}
    assert tables == {"paris": True, "tokyo": False}
    code, text = stage.run("plan", "--override", "deletions")
    assert code == ExitCode.OK
    assert "Overridden:\n  ! paris/tunnel/junk0, " in text
    assert "30 to destroy" in text
    _, text = stage.run("plan", "--json")
    objects = [json.loads(line) for line in text.splitlines()]
    assert [(i["router"], i["kind"]) for i in objects if i["type"] == "unreachable"] == [
        ("paris", "withheld")
    ]


@pytest.mark.parametrize("gone", [False, True])
def test_what_moved_while_the_question_was_open_costs_its_router_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, gone: bool
) -> None:
    for router in stage.site.routers.values():
        router.host.table = None
    stage.both("dh-group14", "dh-group15")
    loaded = dict(stage.site.routers["paris"].vici.connections)

    def meanwhile(_: str) -> str:
        if gone:
            stage.site.unplugged["tokyo"] = "no route"
        else:
            stage.site.routers["tokyo"].host.remove_files(["tw-tokyo-paris.conf"])
        return "yes"

    monkeypatch.setattr(output, "ask", meanwhile)
    code, text = stage.run("apply", "--wait", "0.1")
    assert code == (ExitCode.UNREACHABLE if gone else ExitCode.STALE)
    why = "unreachable: no route" if gone else "it has changed since it was looked at"
    assert f"! tokyo: not planned, {why}" in text
    assert "! paris-tokyo: withheld, its other end is at tokyo, which is" in text
    tables = {name: router.host.table is None for name, router in stage.site.routers.items()}
    assert tables == {"paris": False, "tokyo": True}
    assert stage.site.routers["paris"].vici.connections == loaded
    monkeypatch.undo()


def test_what_has_not_moved_is_applied_as_it_was_approved(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.both("dh-group14", "dh-group15")
    monkeypatch.setattr(output, "ask", lambda _: "yes")
    assert stage.run("apply", "--wait", "0.1")[0] == ExitCode.OK


def test_a_missing_key_costs_its_tunnel_and_the_code_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = document(KEYED, "tokyo").replace("tokyo-paris", "tokyo-partner").replace("KEY", "NEW_KEY")
    third = third.replace("203.0.113.12", "203.0.113.22").replace("203.0.113.11", "203.0.113.7")
    stage.site.commit({"partner.yaml": alone(third.replace("10.1.0.0/24", "10.9.0.0/24"))})
    stage.both("dh-group14", "dh-group15")
    said = (
        "! tokyo-partner: withheld, its key cannot be had: env:NEW_KEY: the environment variable is not set\n"
    )
    for words in (["plan", "--detailed-exitcode"], ["status"], ["apply", "--auto-approve", "--wait", "1"]):
        code, text = stage.run(*words)
        assert (code, said in text) == (ExitCode.INCOMPLETE, True), words
    assert "Apply complete!" in text
    code, text = stage.run("apply", "--auto-approve")
    assert (code, said in text) == (ExitCode.INCOMPLETE, True), "there is nothing left to do, and it is told"
    assert "No changes" not in text
    code, text = stage.run("plan", "--json")
    objects = [json.loads(line) for line in text.splitlines()]
    assert [i["cause"] for i in objects if i["type"] == "withheld"] == ["key"]
    assert stage.run("plan", "--target", "paris-tokyo")[0] == ExitCode.OK
    monkeypatch.setenv("NEW_KEY", KEY)
    stage.apply()
    assert "tw-tokyo-partner" in stage.site.routers["tokyo"].vici.connections


def test_whoever_is_asked_decides_whether_to_wait_for_a_lock(stage: Stage) -> None:
    """An apply that would ask, or that has a saved plan, does nothing beside another run."""
    assert stage.apply()[0] == ExitCode.OK
    for router in stage.site.routers.values():
        router.host.table = None
    saved = stage.save()
    stage.site.routers["paris"].host.lock("you@there:2", 60)
    for code, text in (stage.run("apply"), stage.main("apply", saved)):
        assert code == ExitCode.LOCKED
        assert "you@there:2 is changing this router" in text
    assert all(router.host.table is None for router in stage.site.routers.values())


def test_no_more_routers_are_locked_at_a_time_than_are_wanted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, met = threading.Barrier(2), []

    def connect(name: str) -> Router:
        with contextlib.suppress(threading.BrokenBarrierError):
            met.append(both.wait(1))
        return stage.site.connect(name)

    monkeypatch.setattr(workspace, "connector", lambda *_: connect)
    assert stage.apply("--parallelism", "1")[0] == ExitCode.OK
    assert not met


def test_an_apply_ends_when_the_time_of_one_router_is_used_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, began = Clock(), list[str]()

    def seconds(asked: str) -> float:
        began.extend([asked] if asked == "load-conn" else [])
        return 99.0 if began else 1.0

    stage.both("dh-group14", "dh-group15")
    monkeypatch.setattr(allowance, "monotonic", clock)
    connect = slowly(stage.site.connect, clock, {"paris": seconds})
    monkeypatch.setattr(workspace, "connector", lambda *_: connect)
    code, text = stage.apply()
    assert code == ExitCode.INCOMPLETE
    assert "that one apply has for them; the last is the one to" in text
    monkeypatch.setattr(workspace, "connector", lambda *_: stage.site.connect)
    assert stage.apply()[0] == ExitCode.OK


@pytest.mark.parametrize(
    "other", [("--lab", "other"), ("--rev", "main~1"), ("--target", "x"), ("--exclude", "x")]
)
def test_a_saved_plan_is_applied_to_nothing_else(stage: Stage, other: tuple[str, str]) -> None:
    """Whoever says another lab expects that the plan is applied there."""
    saved = stage.save()
    code, text = stage.main("apply", saved, *other)
    assert code == ExitCode.ERROR
    assert f"the saved plan was made with another {other[0]}" in text
    assert stage.main("apply", saved, "--wait", "0.1")[0] == ExitCode.OK
