"""What one router holds, and what of many routers is known when some of them fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.model import bounds
from reconciler.model.errors import AnswerNotUnderstood, RouterUnreachable
from reconciler.model.router_config import PREFIX
from reconciler.observe.state import observe, observe_router, read_sas, rulesets
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from tests.contract.sites import CONNECTION, Site, memory_site
from tests.odd import OddRouter, Twist, answers, fails

KEYS = ("net/ipv4/ip_forward",)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = memory_site(tmp_path)
    assert found.apply(timeout=1).converged
    return found


def odd(site: Site, **twists: Twist) -> Router:
    """paris, with some of its answers changed."""
    return OddRouter(site.connect("paris"), {name.replace("_", "-"): twist for name, twist in twists.items()})


def with_foreign(true: Callable[[], Any]) -> Any:
    """The true answers, and a connection that another program has loaded."""
    items = list(true())
    return [*items, {"theirs": next(iter(items[0].values()))}]


def test_one_session_gives_all_that_a_router_holds(site: Site) -> None:
    state = observe_router(site.connect("paris"), KEYS)
    assert (state.router, state.version) == ("paris", "6.0.1")
    assert set(state.connections) == {CONNECTION}
    assert [sa.connection for sa in state.sas] == [CONNECTION]
    assert set(state.files) == {f"{CONNECTION}.conf"}
    assert set(state.sysctls) >= set(KEYS)
    assert len(state.secret_ids) == 1
    assert state.addresses >= state.record.owners.keys()
    assert list(state.record.owners.values()) == ["Vip/paris-vip"]


def test_foreign_connections_are_left_out_unless_they_are_adopted(site: Site) -> None:
    router = odd(site, list_conns=with_foreign, list_sas=with_foreign)
    assert all(name.startswith(PREFIX) for name in observe_router(router, KEYS).connections)
    adopting = observe_router(router, KEYS, frozenset({"theirs"}))
    assert set(adopting.connections) == {CONNECTION, "theirs"}
    assert {sa.connection for sa in adopting.sas} == {CONNECTION, "theirs"}


def test_sas_are_listed_oldest_first_by_number_not_by_text(site: Site) -> None:
    def numbered(true: Callable[[], Any]) -> Any:
        [(name, sa)] = next(iter(true())).items()
        return [{name: {**sa, "uniqueid": number}} for number in ("10", "9")]

    router = odd(site, list_sas=numbered)
    assert [sa.id for sa in read_sas(router.vici)] == ["9", "10"]
    assert len(read_sas(odd(site, list_sas=with_foreign).vici)) == 1
    assert len(read_sas(odd(site, list_sas=with_foreign).vici, every=True)) == 2


def test_lists_that_multiply_beyond_the_bound_are_not_understood(site: Site) -> None:
    half = int(bounds.ROUTER_LISTED_PAIRS**0.5) + 1
    many = [f"10.{number // 250}.{number % 250}.0/24" for number in range(half)]

    def wide(true: Callable[[], Any]) -> Any:
        [(name, sa)] = next(iter(true())).items()
        children = {
            key: {**child, "local-ts": many, "remote-ts": many} for key, child in sa["child-sas"].items()
        }
        return [{name: {**sa, "child-sas": children}}]

    with pytest.raises(AnswerNotUnderstood, match="pairs of networks or addresses") as error:
        observe_router(odd(site, list_sas=wide), KEYS)
    assert error.value.router == "paris"


def test_each_router_that_fails_is_a_failure_and_the_others_are_states(site: Site) -> None:
    def connect(name: str) -> Router:
        if name == "tokyo":
            return OddRouter(site.connect(name), {"stats": answers({"plugins": {"no": "list"}})})
        if name == "oslo":
            raise RouterUnreachable("no route", router=name)
        return site.connect(name)

    found = observe(Fleet(connect), dict.fromkeys(("oslo", "paris", "tokyo"), KEYS))
    assert list(found.states) == ["paris"]
    assert {name: type(error) for name, error in found.failures.items()} == {
        "oslo": RouterUnreachable,
        "tokyo": AnswerNotUnderstood,
    }
    assert found.failures["tokyo"].router == "tokyo"


def test_a_ruleset_that_cannot_be_read_is_left_out(site: Site) -> None:
    def connect(name: str) -> Router:
        twists = {"inspect": fails(RouterUnreachable("no answer"))} if name == "tokyo" else {}
        return OddRouter(site.connect(name), twists)

    assert set(rulesets(Fleet(connect), ["paris", "tokyo"])) == {"paris"}
