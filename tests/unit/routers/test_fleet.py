"""The runner over many routers: each fails alone, and every connection is closed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import reconciler
from reconciler.model.errors import (
    AnswerNotUnderstood,
    RouterUnreachable,
    Unforeseen,
)
from reconciler.model.isolation import unforeseen
from reconciler.routers.fleet import Background, Fleet
from reconciler.routers.protocol import Router
from tests.memory import MemoryRouter, Network
from tests.odd import OddRouter


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


def test_connections_for_one_unit_of_work_are_closed_whatever_happens() -> None:
    connect = Connections()
    with pytest.raises(ZeroDivisionError), Fleet(connect).together(["a", "b", "a"]) as routers:
        assert {name: router.name for name, router in routers.items()} == {"a": "a", "b": "b"}
        assert connect.closed == []
        raise ZeroDivisionError
    with pytest.raises(RouterUnreachable), Fleet(connect).together(["c", "dead"]):
        pytest.fail("one of the two cannot be reached")
    assert sorted(connect.opened) == sorted(connect.closed) == ["a", "b", "c"]


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
        {place for place, text in sources.items() if re.search(rf"{call}\(", text)}
        for call in ("(Thread|Timer)", "PoolExecutor")
    )
    assert pools == {"reconciler/routers/fleet.py"}
    assert threads == set(re.findall(r"^\| `(\S+)` \|", record, re.MULTILINE))
