"""The runner over many routers: each fails alone, and every connection is closed."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import reconciler
from lab.engine import until
from reconciler.apply import locking
from reconciler.apply.locking import locked
from reconciler.model.errors import (
    AnswerNotUnderstood,
    Locked,
    RouterUnreachable,
    TunnelwrightError,
    Unforeseen,
)
from reconciler.model.isolation import unforeseen
from reconciler.routers.fleet import Background, Fleet
from reconciler.routers.protocol import Router
from tests.memory import MemoryRouter, Network
from tests.odd import OddRouter, fails


@dataclass(slots=True)
class Connections:
    """Routers in memory, with what is open of them."""

    network: Network = field(default_factory=Network)
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    most: int = 0

    def __call__(self, name: str) -> Router:
        if name == "dead":
            raise RouterUnreachable("no route", router=name)
        self.opened.append(name)
        self.most = max(self.most, len(self.opened) - len(self.closed))

        def close(true: Any) -> None:
            self.closed.append(name)
            true()
            if name == "stubborn":
                raise OSError("cannot be closed")

        return OddRouter(MemoryRouter(name, self.network), {"close": close})


def task(router: Router) -> str:
    if router.name == "odd":
        raise AnswerNotUnderstood("5 is not text", where="version")
    if router.name == "broken":
        raise KeyError("prefix")
    return router.name


def test_each_router_fails_alone_and_every_connection_is_closed() -> None:
    connect, before = Connections(), unforeseen().get("router", 0)
    found = Fleet(connect).each(["a", "odd", "dead", "broken", "stubborn", "z"], task)
    assert list(found) == ["a", "odd", "dead", "broken", "stubborn", "z"]
    assert (found["a"], found["z"], found["stubborn"]) == ("a", "z", "stubborn")
    assert isinstance(found["dead"], RouterUnreachable)
    assert isinstance(found["odd"], AnswerNotUnderstood)
    assert found["odd"].router == "odd", "who decodes does not know whose answer it is"
    assert isinstance(found["broken"], Unforeseen)
    assert sorted(connect.closed) == sorted(connect.opened) == ["a", "broken", "odd", "stubborn", "z"]
    assert unforeseen()["router"] == before + 2, "the task of one, and the close of another"


def test_no_more_are_open_than_are_wanted_at_a_time() -> None:
    connect = Connections()
    Fleet(connect, 3).each([str(number) for number in range(20)], task)
    assert connect.most <= 3


def test_a_fleet_keeps_its_connections_until_it_ends() -> None:
    connect = Connections()
    with pytest.raises(ZeroDivisionError), Fleet(connect).kept() as fleet:
        fleet.each(["a", "b", "dead"], task)
        assert fleet.one("a", lambda router: router.vici.request("version")["version"]) == "6.0.1"
        assert isinstance(fleet.one("b", lambda _: 1 / 0), Unforeseen)
        assert connect.closed == []
        raise ZeroDivisionError
    assert sorted(connect.opened) == sorted(connect.closed) == ["a", "b"]


def test_only_what_ends_the_process_ends_the_others() -> None:
    def work(name: str) -> str:
        if name == "b":
            raise KeyboardInterrupt
        return name

    with pytest.raises(KeyboardInterrupt):
        Fleet(Connections()).side_by_side("router", ["a", "b"], work)


def test_work_in_the_background_fails_alone_and_ends_with_its_context() -> None:
    def work(name: str) -> str:
        return name if name != "broken" else str(1 / 0)

    with Background(2) as background:
        begun = {name: background.begin("router", name, partial(work, name)) for name in ("a", "broken", "z")}
    assert all(future.done() for future in begun.values())
    assert [type(future.result()) for future in begun.values()] == [str, Unforeseen, str]


def test_threads_and_pools_are_where_their_decision_says() -> None:
    root = Path(reconciler.__file__).parent.parent
    record = (root / "docs/decisions/0027-work-beside-the-runner.md").read_text()
    sources = {str(path.relative_to(root)): path.read_text() for path in (root / "reconciler").rglob("*.py")}
    threads, pools = (
        {place for place, text in sources.items() if f"{call}(" in text}
        for call in ("Thread", "PoolExecutor")
    )
    assert pools == {"reconciler/routers/fleet.py"}
    assert threads == set(re.findall(r"^\| `(\S+)` \|", record, re.MULTILINE))


def test_of_locks_those_that_cannot_be_taken_are_told() -> None:
    network, held = Network(), []
    routers = {name: MemoryRouter(name, network) for name in ("a", "b", "c", "d")}
    routers["b"].host.lock("you@there:2", 60)
    odd = OddRouter(routers["c"], {"lock": fails(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"))})

    def connect(name: str) -> Router:
        return odd if name == "c" else routers[name]

    routers["d"].power(on=False)
    with locked(Fleet(connect), routers, 0) as refused:
        for name in ("a", "b"):
            with pytest.raises(Locked) as told:
                routers[name].host.lock("me@here:1", 60)
            held.append(told.value.owner)
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


def test_a_lock_that_nobody_can_renew_is_given_back_with_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
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
