"""`plan` and `apply` where a router, a key or a lock is missing: what is done, what is said, how they
end."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.cli import access, change
from reconciler.model.errors import CommandRejected, ExitCode, Locked
from reconciler.model.router_config import LiveFile
from reconciler.model.secret import Secret
from reconciler.routers import allowance
from reconciler.routers.protocol import HostSnapshot, Router
from tests.documents import document
from tests.odd import Twists, changed, fails
from tests.slow import Clock, slowly
from tests.unit.cli.stage import Stage
from tests.unit.service.followed import KEY, KEYED, alone


@pytest.mark.parametrize(
    ("twist", "code", "said"),
    [
        (
            {"lock": fails(CommandRejected("sh: 3: flock: not found"))},
            ExitCode.UNREACHABLE,
            "! paris: not planned, its lock cannot be taken: sh: 3: flock: not found (the router needs ",
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
    """Files of tunnels that Git never had."""
    found = true()
    strangers = {
        f"tw-stranger{number}.conf": LiveFile(Secret(b"connections {}"), 0o600) for number in range(30)
    }
    return replace(found, files={**found.files, **strangers})


def test_a_router_that_invents_tunnels_is_reported_and_the_others_are_done(stage: Stage) -> None:
    """By plan, by apply and by a saved plan; only --override destroys what it lists."""
    for router in stage.site.routers.values():
        router.host.table = None
    stage.site.twists["paris"] = {"snapshot": invented}
    said = (
        "! paris: not planned, 30 of the 31 tunnel ends on it would be destroyed, more than 30%, and "
        "there is no evidence that Git ever had: stranger0, stranger1, stranger10, stranger11, "
        "stranger12, stranger13 and 24 more "
        "(find out what created them; --override deletions destroys them)\n"
    )
    saved = str(stage.keys / "plan.json")
    for words in ((), ("--out", saved)):
        code, text = stage.run("plan", *words)
        assert (code, said in text) == (ExitCode.UNREACHABLE, True)
        assert 'firewall "inet tunnelwright" at tokyo' in text
    code, text = stage.main("apply", saved, "--wait", "0.1")
    assert (code, said in text) == (ExitCode.UNREACHABLE, True)
    assert "Applied in part. " in text
    tables = {name: router.host.table is None for name, router in stage.site.routers.items()}
    assert tables == {"paris": True, "tokyo": False}
    code, text = stage.run("plan", "--override", "deletions")
    assert code == ExitCode.OK
    assert "Overridden:\n  ! paris/tunnel/stranger0, " in text
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

    def answer(_: str) -> str:
        if gone:
            stage.site.unplugged["tokyo"] = "no route"
        else:
            stage.site.routers["tokyo"].host.remove_files(["tw-tokyo-paris.conf"])
        return "yes"

    monkeypatch.setattr(change, "ask", answer)
    code, text = stage.run("apply", "--wait", "0.1")
    assert code == (ExitCode.UNREACHABLE if gone else ExitCode.STALE)
    why = "unreachable: no route" if gone else "its state has changed since it was observed"
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
    monkeypatch.setattr(change, "ask", lambda _: "yes")
    assert stage.run("apply", "--wait", "0.1")[0] == ExitCode.OK


def test_a_missing_key_costs_its_tunnel_and_the_code_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = document(KEYED, "tokyo").replace("tokyo-paris", "tokyo-partner").replace("KEY", "NEW_KEY")
    third = third.replace("203.0.113.12", "203.0.113.22").replace("203.0.113.11", "203.0.113.7")
    stage.site.commit({"partner.yaml": alone(third.replace("10.1.0.0/24", "10.9.0.0/24"))})
    stage.both("dh-group14", "dh-group15")
    said = (
        "! tokyo-partner: withheld, its key cannot be read: env:NEW_KEY: the environment variable is not "
        "set\n"
    )
    for words in (["plan", "--detailed-exitcode"], ["status"], ["apply", "--auto-approve", "--wait", "1"]):
        code, text = stage.run(*words)
        assert (code, said in text) == (ExitCode.INCOMPLETE, True), words
    assert "Applied in part. " in text
    code, text = stage.run("apply", "--auto-approve")
    assert (code, said in text) == (ExitCode.INCOMPLETE, True), (
        "there is nothing left to do, and it is reported"
    )
    assert "No changes" not in text
    code, text = stage.run("plan", "--json")
    objects = [json.loads(line) for line in text.splitlines()]
    assert [i["cause"] for i in objects if i["type"] == "withheld"] == ["key"]
    assert stage.run("plan", "--target", "paris-tokyo")[0] == ExitCode.OK
    monkeypatch.setenv("NEW_KEY", KEY)
    stage.apply()
    assert "tw-tokyo-partner" in stage.site.routers["tokyo"].vici.connections


def test_the_user_who_is_asked_decides_whether_to_wait_for_a_lock(stage: Stage) -> None:
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


def test_only_what_a_target_may_be_at_is_locked(stage: Stage) -> None:
    """Another controller at another router, or at what is excluded, is not waited for."""
    for router in stage.site.routers.values():
        router.host.table = None
    stage.site.routers["tokyo"].host.lock("you@there:2", 60)
    assert stage.apply("--target", "paris-tokyo")[0] == ExitCode.LOCKED
    assert stage.apply("--exclude", "paris")[0] == ExitCode.LOCKED
    for words in (("--exclude", "tokyo"), ("--target", "paris/firewall/inet tunnelwright")):
        stage.site.routers["paris"].host.table = None
        assert stage.apply(*words)[0] == ExitCode.OK
        assert stage.site.routers["paris"].host.table is not None
    assert stage.site.routers["tokyo"].host.table is None


def test_no_more_routers_are_locked_at_a_time_than_are_wanted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, met = threading.Barrier(2), []

    def connect(name: str) -> Router:
        with contextlib.suppress(threading.BrokenBarrierError):
            met.append(both.wait(1))
        return stage.site.connect(name)

    monkeypatch.setattr(access, "connector", lambda *_: connect)
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
    monkeypatch.setattr(access, "connector", lambda *_: connect)
    code, text = stage.apply()
    assert code == ExitCode.INCOMPLETE
    assert "s, the limit for one apply; the last one is to" in text
    monkeypatch.setattr(access, "connector", lambda *_: stage.site.connect)
    assert stage.apply()[0] == ExitCode.OK
