"""Locks of routers: which are taken, renewed, given back, and whose are not waited for."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lab.engine import until
from reconciler.apply import locking
from reconciler.apply.locking import locked
from reconciler.model.errors import (
    CommandRejected,
    Locked,
    LockUnavailable,
    RouterUnreachable,
    TunnelwrightError,
    Unforeseen,
)
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from tests.memory import MemoryRouter, Network
from tests.odd import OddRouter, fails


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def owner(process: int, *, start: str = "5", space: str | None = None) -> str:
    """An owner as `owner_name` names it."""
    return f"you@there:{process}/{start}.{locking._space() if space is None else space}"


def test_this_process_is_known_as_the_owner_while_it_lives() -> None:
    name = locking.owner_name()
    assert f":{os.getpid()}/" in name
    assert " " not in name
    assert not locking._has_gone(name)


def test_an_owner_has_gone_only_where_that_can_be_seen(gone: int) -> None:
    assert locking._has_gone(owner(gone))
    assert locking._has_gone(owner(os.getpid(), start="1")), "another process has its number now"
    elsewhere = [
        owner(gone, space="1.other"),
        owner(gone, space=""),
        f"you@there:{gone}",
        "you@there:x/5.y",
        "",
    ]
    assert not any(map(locking._has_gone, elsewhere))


def test_the_lock_of_an_owner_that_has_gone_is_freed(gone: int) -> None:
    router = MemoryRouter("a", Network())
    router.host.lock(owner(gone), 60)
    with locked(Fleet(lambda _: router), ["a"], 0) as refused:
        assert not refused


def test_a_lock_is_waited_for_as_long_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    router, slept = MemoryRouter("a", Network()), list[float]()
    router.host.lock("you@there:2", 60)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            router.host.unlock("you@there:2")

    monkeypatch.setattr(time, "sleep", sleep)
    with locked(Fleet(lambda _: router), ["a"], 60) as refused:
        assert not refused
    assert slept == [locking._POLL] * 3


def test_why_a_lock_is_not_taken_says_what_the_router_needs() -> None:
    odd = OddRouter(
        MemoryRouter("a", Network()), {"lock": fails(CommandRejected("flock: not found", router="a"))}
    )
    with locked(Fleet(lambda _: odd), ["a"], 0) as refused:
        error = refused["a"]
    assert isinstance(error, LockUnavailable)
    assert "flock: not found" in error.message
    assert "util-linux" in error.hint


def test_progress_is_reported_for_each_lock_and_the_first_by_name_is_taken_alone() -> None:
    network, asked = Network(), list[str]()

    def connect(name: str) -> Router:
        def lock(true: Callable[[], Any]) -> Any:
            asked.append(name)
            return true()

        return OddRouter(MemoryRouter(name, network), {"lock": lock})

    with locked(Fleet(connect), ["c", "a", "b"], 0, moved=lambda: asked.append("moved")):
        assert (asked[:2], sorted(asked[2:4]), asked[4:]) == (["a", "moved"], ["b", "c"], ["moved"] * 2)


def test_of_locks_those_that_cannot_be_taken_are_reported() -> None:
    network, held = Network(), []
    routers = {name: MemoryRouter(name, network) for name in ("a", "b", "c", "d")}
    routers["b"].host.lock("you@there:2", 60)
    odd = OddRouter(routers["c"], {"lock": fails(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"))})

    def connect(name: str) -> Router:
        return odd if name == "c" else routers[name]

    routers["d"].power(on=False)
    with locked(Fleet(connect), routers, 0) as refused:
        for name in ("a", "b"):
            with pytest.raises(Locked) as raised:
                routers[name].host.lock("me@here:1", 60)
            held.append(raised.value.owner)
    assert held[0].count("@") == 1
    assert held[1] == "you@there:2"
    expected: dict[str, type[TunnelwrightError]] = {
        "b": Locked,
        "c": Unforeseen,
        "d": RouterUnreachable,
    }
    assert {name: type(error) for name, error in refused.items()} == expected
    routers["a"].host.lock("me@here:1", 60)


def test_a_router_that_is_slow_to_renew_its_lock_costs_no_other_one_its_lock() -> None:
    network, release, asked = Network(), threading.Event(), Counter[str]()

    def connect(name: str) -> Router:
        def lock(true: Callable[[], Any]) -> Any:
            asked[name] += 1
            if name == "slow" and asked[name] > 1:
                assert release.wait(60)
            return true()

        return OddRouter(MemoryRouter(name, network), {"lock": lock})

    with locked(Fleet(connect, 1), ["a", "slow", "z"], 0, lease=2) as refused:
        try:
            assert not refused
            assert until(lambda: min(asked["a"], asked["z"]) >= 4, 30)
            assert asked["slow"] == 2, "it is not asked again while it has not answered"
        finally:
            release.set()


def test_a_lock_that_another_run_has_taken_is_noticed() -> None:
    network, asked = Network(), Counter[str]()
    lost: dict[str, TunnelwrightError] = {}

    def connect(name: str) -> Router:
        def lock(true: Callable[[], Any]) -> Any:
            asked[name] += 1
            if name == "a" and asked[name] > 1:
                raise Locked("other@there:1", router="a")
            return true()

        return OddRouter(MemoryRouter(name, network), {"lock": lock})

    with locked(Fleet(connect), ["a", "b"], 0, lease=1, lost=lost) as refused:
        assert not refused
        assert until(lambda: "a" in lost and asked["b"] > 2, 30)
        assert isinstance(lost["a"], Locked)
        assert "b" not in lost


def test_a_router_that_names_one_gone_owner_after_the_other_is_given_up() -> None:
    asked: list[int] = []

    def lock(_: Callable[[], Any]) -> Any:
        asked.append(0)
        assert len(asked) < 10, "for ever"
        raise Locked(f"you@there:{2**22 + len(asked)}/5.{locking._space()}", router="a")

    odd = OddRouter(MemoryRouter("a", Network()), {"lock": lock})
    with locking.locked(Fleet(lambda _: odd), ["a"], 0) as refused:
        assert isinstance(refused["a"], Locked)
    assert len(asked) == 2


def test_a_lock_that_cannot_be_renewed_is_given_back_with_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    network, start = Network(), threading.Thread.start
    routers = {name: MemoryRouter(name, network) for name in ("a", "b", "c")}

    def scarce(thread: threading.Thread) -> None:
        if "b" in getattr(thread, "_args", ()):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    with locked(Fleet(routers.__getitem__), routers, 0) as refused:
        assert {name: type(error) for name, error in refused.items()} == {"b": Unforeseen}
        with pytest.raises(Locked):
            routers["a"].host.lock("me@here:1", 60)
    for router in routers.values():
        router.host.lock("me@here:1", 60)


def test_locks_are_taken_and_given_back_side_by_side() -> None:
    """All but the first, which two runs that want the same ask for first."""
    network, names = Network(), "abcdef"
    taking, giving = threading.Barrier(len(names) - 1), threading.Barrier(len(names))
    first = threading.Event()

    def connect(name: str) -> Router:
        def lock(true: Callable[[], Any]) -> Any:
            if name == "a":
                found = true()
                first.set()
                return found
            assert first.is_set()
            taking.wait(60)
            return true()

        def unlock(true: Callable[[], Any]) -> Any:
            giving.wait(60)
            return true()

        return OddRouter(MemoryRouter(name, network), {"lock": lock, "unlock": unlock})

    with locked(Fleet(connect), names, 0) as refused:
        assert not refused


def test_no_later_lock_is_held_while_another_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else two runs could wait for each other."""
    network, free = Network(), list[set[str]]()
    routers = {name: MemoryRouter(name, network) for name in "abcde"}
    routers["c"].host.lock("you@there:2", 60)

    def held() -> set[str]:
        return {name for name, router in routers.items() if router.host._lock[0] not in {"", "you@there:2"}}

    def sleep(_: float) -> None:
        free.append(held())
        if len(free) == 3:
            routers["c"].host.unlock("you@there:2")

    monkeypatch.setattr(time, "sleep", sleep)
    with locked(Fleet(routers.__getitem__), routers, 60) as refused:
        assert not refused
        assert held() == set("abcde")
    assert free == [{"a", "b"}] * 3
    assert held() == set()


def test_runs_that_want_the_same_routers_all_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them changes all, one after the other."""
    monkeypatch.setattr(locking, "owner_name", lambda: f"{threading.get_ident()}@there:1")
    monkeypatch.setattr(locking, "_POLL", 0.01)
    network = Network()
    routers = {f"{number:02}": MemoryRouter(f"{number:02}", network) for number in range(12)}
    inside, most = list[str](), list[int]()

    def run(owner: str) -> None:
        with locked(Fleet(routers.__getitem__), routers, 60) as refused:
            inside.append(owner)
            most.append(len(inside))
            assert not refused
            inside.remove(owner)

    with ThreadPoolExecutor() as pool:
        list(pool.map(run, ["one", "two", "three"]))
    assert most == [1, 1, 1]
