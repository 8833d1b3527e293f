"""What a commit changes on routers in memory, which may not be as its base has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.model.errors import RouterUnreachable
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Plan
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import narrowed, observed_plan
from reconciler.operations.revisions import between
from reconciler.plan.commit import changes_of_commit, compared, unchanged
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.secrets import SecretStore
from tests.allowed import ALLOWED
from tests.fabrics import many_tunnels
from tests.memory import MemoryRouter
from tests.unit.operations.test_revisions import CASES, fabric_of, memory_routers

NOW = datetime(2026, 5, 9, 12, tzinfo=UTC)
FROM_ROUTERS = "planned from the live state of the routers, not from the base"


class Live:
    """Routers in memory on which a revision was applied, and what a later commit does to them."""

    def __init__(self, base: Fabric, folder: Path, head: Fabric | None = None) -> None:
        self.base = base
        self.routers: dict[str, MemoryRouter] = memory_routers(base, head or base)
        keys = folder / "keys"
        keys.mkdir(mode=0o700)
        words = {"KEY": "a golden key", "NEW_KEY": "another golden key", **ALLOWED}
        words["TUNNELWRIGHT_KEY_LAB"] = "a key of the lab"
        self.store = SecretStore(keys, words)
        self.dead = ""
        self.apply(base)

    def apply(self, fabric: Fabric) -> None:
        apply(observed_plan(fabric, self.store, self.fleet), self.fleet, timeout=0.1)

    @property
    def fleet(self) -> Fleet:
        return Fleet(self.connect)

    def connect(self, name: str) -> Router:
        if name == self.dead:
            raise RouterUnreachable("no answer", router=name)
        return self.routers[name]

    def plan(self, head: Fabric) -> tuple[Plan, Plan, list[str]]:
        """The commit by its revisions, its part of the plan against the routers, and what is said of it."""
        commit = between(self.base, head, NOW).plan
        whole = observed_plan(head, self.store, self.fleet)
        mine = narrowed(whole, changes_of_commit(commit, self.base, head)).plan
        return commit, mine, list(compared(commit, mine, whole.plan))


@pytest.mark.parametrize("case", CASES)
def test_on_routers_that_hold_the_base_the_whole_plan_is_the_commits(case: str, tmp_path: Path) -> None:
    base, head = (fabric_of(case, name, tmp_path) for name in ("live", "desired"))
    live = Live(base, tmp_path, head)
    commit, mine, said = live.plan(head)
    assert {change.resource for change in mine.changes} == {change.resource for change in commit.changes}
    assert said == [FROM_ROUTERS]


@pytest.mark.parametrize("case", CASES)
def test_a_priority_is_neither_the_commits_nor_a_difference_from_its_base(case: str, tmp_path: Path) -> None:
    """The kernel's data plane: an end of which the commit changes nothing may hold back for the other one."""
    base, head = (fabric_of(case, name, tmp_path) for name in ("live", "desired"))
    live = Live(base, tmp_path, head)
    for router in live.routers.values():
        router.vici.more_plugins = []
    commit, mine, said = live.plan(head)
    others = {change.resource: change for change in mine.changes}
    for change in commit.changes:
        others.pop(change.resource)
    assert all(change.follows for change in others.values())
    assert said == [FROM_ROUTERS]


def one_changed(fabric: Fabric, group: int = 19) -> Fabric:
    """Both ends of the last tunnel with another PFS group."""
    last = max(fabric.tunnels)[-4:]
    changed = {
        name: replace(tunnel, esp=replace(tunnel.esp, pfs_group=group))
        for name, tunnel in fabric.tunnels.items()
        if name.endswith(last)
    }
    return replace(fabric, tunnels={**fabric.tunnels, **changed})


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(many_tunnels(3), tmp_path)


def test_what_has_drifted_besides_is_a_count(live: Live) -> None:
    live.routers["paris"].host.remove_files(["tw-paris-000.conf", "tw-paris-001.conf"])
    _, mine, said = live.plan(one_changed(live.base))
    assert [change.resource.name for change in mine.changes] == ["paris-002", "tokyo-002"]
    assert said == [
        FROM_ROUTERS,
        "2 other resources differ on the routers, but not because of this commit (tunnelwright plan shows "
        "them)",
    ]


def test_what_a_commit_changes_and_had_drifted_is_planned_from_the_router_and_named(live: Live) -> None:
    live.apply(one_changed(live.base, 15))
    _, mine, said = live.plan(one_changed(live.base))
    field = next(f for f in mine.changes[0].changes if f.path == "children.net.esp_proposals")
    assert field.before == ("aes256-sha256-modp3072",)
    assert said[1] == (
        "different on the routers and in the base, so this is planned too: paris/tunnel/paris-002 "
        "(children.net.esp_proposals), tokyo/tunnel/tokyo-002 (children.net.esp_proposals)"
    )


def test_what_is_missing_on_the_routers_is_reported_with_its_reason(live: Live) -> None:
    without = {name: tunnel for name, tunnel in live.base.tunnels.items() if not name.endswith("002")}
    live.apply(replace(live.base, tunnels=without))
    _, _, said = live.plan(one_changed(live.base))
    assert "paris/tunnel/paris-002 (not on the router)" in said[1]


def test_what_is_applied_already_is_said(live: Live) -> None:
    head = one_changed(live.base)
    live.apply(head)
    commit, mine, said = live.plan(head)
    assert mine.empty
    assert said[1:] == [
        "already on the routers as the commit wants it: paris/tunnel/paris-002, tokyo/tunnel/tokyo-002"
    ]
    assert unchanged(commit, mine) == "No changes. The routers already match the commit."


def test_a_field_that_is_there_already_is_distinguished_from_one_that_is_not(live: Live) -> None:
    both = one_changed(live.base)
    lifetimes = {
        name: replace(tunnel, ike=replace(tunnel.ike, lifetime=7200)) if name.endswith("002") else tunnel
        for name, tunnel in both.tunnels.items()
    }
    live.apply(both)
    _, mine, said = live.plan(replace(both, tunnels=lifetimes))
    assert {field.path for field in mine.changes[0].changes} >= {"rekey_time"}
    assert said[1:] == [
        "already on the routers as the commit wants it: paris/tunnel/paris-002 "
        "(children.net.esp_proposals), tokyo/tunnel/tokyo-002 (children.net.esp_proposals)"
    ]


def test_a_router_that_does_not_answer_is_said(live: Live) -> None:
    live.dead = "tokyo"
    commit, mine, said = live.plan(one_changed(live.base))
    assert mine.empty
    assert mine.unreachable.keys() == {"tokyo"}
    assert said[1:] == [
        "the commit changes paris/tunnel/paris-002, tokyo/tunnel/tokyo-002, which is not planned: "
        "a router did not answer"
    ]
    assert unchanged(commit, mine).startswith("Not planned")


def test_a_removed_tunnel_is_touched_at_both_ends(live: Live) -> None:
    left = {name: tunnel for name, tunnel in live.base.tunnels.items() if not name.endswith("002")}
    _, mine, said = live.plan(replace(live.base, tunnels=left))
    assert {str(change.resource) for change in mine.changes if change.resource.kind == "tunnel"} == {
        "paris/tunnel/paris-002",
        "tokyo/tunnel/tokyo-002",
    }
    assert said == [FROM_ROUTERS]
