"""Twice as many tunnels are twice the work, in every stage from the files to the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.compile.router import compile_router
from reconciler.diff import diff_router
from reconciler.load import Loaded, load_tree
from reconciler.model.fabric import Fabric
from reconciler.model.operation import AddAddress
from reconciler.model.plan import ResourceChange
from reconciler.model.router_config import RouterConfig
from reconciler.operations import revisions
from reconciler.operations.revisions import between
from reconciler.plan.events import judgement_events, plan_events
from reconciler.plan.moves import Left, arrange
from reconciler.report.json.events import encode
from reconciler.report.json.plan import plan_objects
from reconciler.report.plan_text import plan_lines
from reconciler.validate import validate
from tests.fabrics import many_tunnels
from tests.unit.plan.test_fleet import compiled, held
from tests.unit.scaling.ring import write_connected_ring, write_ring, write_star
from tests.unit.scaling.steps import steps
from tests.unit.scaling.visits import Counted, Visits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SITES = 15


def _with_lifetime(fabric: Fabric, seconds: int, ends: int) -> Fabric:
    chosen = set(sorted(fabric.tunnels)[:ends])
    tunnels = {
        name: replace(tunnel, esp=replace(tunnel.esp, lifetime=seconds)) if name in chosen else tunnel
        for name, tunnel in fabric.tunnels.items()
    }
    return replace(fabric, tunnels=tunnels)


def _with_addresses(fabric: Fabric, after: Mapping[str, str]) -> Fabric:
    """The fabric with other addresses of VIPs, and all tunnels that run by them."""
    vips = {name: replace(vip, address=after[vip.address]) for name, vip in fabric.vips.items()}
    tunnels = {
        name: replace(
            tunnel,
            vip=vips[tunnel.vip.name],
            peer_address=after.get(tunnel.peer_address, tunnel.peer_address),
        )
        for name, tunnel in fabric.tunnels.items()
    }
    return replace(fabric, vips=vips, tunnels=tunnels)


def _with_moved_vips(fabric: Fabric) -> Fabric:
    """Each site has the address of the next one."""
    addresses = [vip.address for _, vip in sorted(fabric.vips.items())]
    return _with_addresses(fabric, dict(zip(addresses, [*addresses[1:], addresses[0]], strict=True)))


def _moves(changes: Iterable[ResourceChange]) -> list[AddAddress]:
    """The additions that wait until a router has lost the address."""
    operations = [step.operation for change in changes for step in change.steps]
    return [operation for operation in operations if isinstance(operation, AddAddress) and operation.after]


COMMITS: dict[str, Callable[[Fabric], tuple[Fabric, Fabric]]] = {
    "all change": lambda fabric: (fabric, _with_lifetime(fabric, 1800, len(fabric.tunnels))),
    "few change": lambda fabric: (fabric, _with_lifetime(fabric, 1800, 4)),
    "all VIPs move": lambda fabric: (fabric, _with_moved_vips(fabric)),
    "all go": lambda fabric: (fabric, replace(fabric, tunnels={})),
    "all come": lambda fabric: (replace(fabric, tunnels={}), fabric),
}


def _ring(folder: Path, sites: int) -> Loaded:
    return load_tree(write_ring(folder / str(sites), sites))


def _fabric(folder: Path, sites: int) -> Fabric:
    fabric, found = validate(_ring(folder, sites))
    assert not found.errors
    return fabric


def assert_linear(work: Callable[[int], Callable[[], object]], sites: int = SITES) -> None:
    """Two sizes of what `work` prepares: the second takes at most 1.1 times as much for each site."""
    small, large = (steps(work(number)) for number in (sites, 2 * sites))
    assert large <= 2.2 * small, f"{small} steps for {sites} sites, {large} for twice as many"


def test_reading_grows_with_the_files(tmp_path: Path) -> None:
    def work(sites: int) -> Callable[[], object]:
        tree = write_ring(tmp_path / str(sites), sites)
        return lambda: load_tree(tree)

    assert_linear(work)


@pytest.mark.parametrize(
    "mistake",
    [
        ("", ""),
        ("  source:", "  sauce:"),
        ("  router: ", "  router: no-"),
        ("networks: [net", "networks: [no-net"),
        ("cidrs: [10.", "cidrs: [10.0.0.0/8, 10."),
    ],
    ids=["none", "field", "router", "network", "overlap"],
)
def test_checking_grows_with_the_documents(tmp_path: Path, mistake: tuple[str, str]) -> None:
    """Also where each of them has the same mistake."""

    def work(sites: int) -> Callable[[], object]:
        tree = write_ring(tmp_path / str(sites), sites)
        for file in tree.glob("tunnel-*"):
            file.write_text(file.read_text().replace(*mistake))
        loaded = load_tree(tree)
        assert bool(validate(loaded)[1].errors) == bool(mistake[0])
        return lambda: validate(loaded)

    assert_linear(work)


@pytest.mark.parametrize(
    "mistake",
    [("", ""), ("  ends:", "  end:"), ("router: ", "router: no-"), ("networks: [net", "networks: [no-net")],
    ids=["none", "field", "router", "network"],
)
def test_expanding_grows_with_the_connections(tmp_path: Path, mistake: tuple[str, str]) -> None:
    def work(sites: int) -> Callable[[], object]:
        tree = write_connected_ring(tmp_path / str(sites), sites)
        for file in tree.glob("tunnel-*"):
            file.write_text(file.read_text().replace(*mistake))
        loaded = load_tree(tree)
        fabric, found = validate(loaded)
        assert bool(found.errors) == bool(mistake[0])
        assert len(fabric.tunnels) == (0 if mistake[0] else 2 * sites)
        return lambda: validate(loaded)

    assert_linear(work)


def test_expanding_a_star_grows_with_its_members(tmp_path: Path) -> None:
    def work(sites: int) -> Callable[[], object]:
        loaded = load_tree(write_star(tmp_path / str(sites), sites))
        fabric, found = validate(loaded)
        assert not found.errors
        assert len(fabric.tunnels) == 2 * (sites - 1)
        return lambda: validate(loaded)

    assert_linear(work)


@pytest.mark.parametrize("commit", COMMITS)
def test_planning_and_reporting_grow_with_the_fleet(tmp_path: Path, commit: str) -> None:
    def work(sites: int) -> Callable[[], object]:
        base, head = COMMITS[commit](_fabric(tmp_path, sites))

        def plan() -> None:
            step = between(base, head, NOW)
            list(plan_lines(step.plan, step.unchanged, step.now))
            list(plan_objects(step.plan, step.now))
            for event in (*plan_events(step.plan, "", step.now), *judgement_events(step.judgement)):
                encode(event)

        return plan

    assert_linear(work)


def test_arranging_grows_with_the_vips_that_move_between_two_routers() -> None:
    """Alone, since all else that a plan does costs far more."""

    def work(count: int) -> Callable[[], object]:
        before = many_tunnels(count)
        swapped = {f"203.0.113.{30 + number}": f"203.0.113.{130 + number}" for number in range(count)}
        after = _with_addresses(before, swapped | {new: old for old, new in swapped.items()})
        live, desired = held(before), compiled(after)
        changes = {name: list(diff_router(desired[name], live[name])) for name in live}
        left = Left(changes, dict.fromkeys(live, ()), {})
        kept = arrange(left, desired, live).kept
        assert [len(_moves(found)) for found in kept.values()] == [count, count]
        return lambda: arrange(left, desired, live)

    assert_linear(work, 25)


@pytest.mark.parametrize("commit", COMMITS)
def test_planning_looks_at_each_tunnel_a_fixed_number_of_times(tmp_path: Path, commit: str) -> None:
    """A walk through all tunnels for each router is cheap for a few, and hours for a large fleet."""

    def looks(sites: int) -> int:
        visits = Visits()
        base, head = (
            replace(fabric, tunnels=Counted(fabric.tunnels, visits), vips=Counted(fabric.vips, visits))
            for fabric in COMMITS[commit](_fabric(tmp_path, sites))
        )
        between(base, head, NOW)
        return visits.count

    small, large = looks(20), looks(80)
    assert large <= 4.2 * small, f"{small} looks for 20 sites, {large} for 80"


@pytest.mark.parametrize("commit", COMMITS)
def test_a_router_of_which_a_commit_changes_nothing_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commit: str
) -> None:
    base, head = COMMITS[commit](_fabric(tmp_path, SITES))
    compiled_now = Counter[str]()

    def counted(fabric: Fabric, router: str, *more: Any, **named: Any) -> RouterConfig:
        compiled_now[router] += 1
        return compile_router(fabric, router, *more, **named)

    monkeypatch.setattr(revisions, "compile_router", counted)
    found = between(base, head, NOW)
    touched = {change.resource.router for change in found.plan.changes}
    assert {name for name, count in compiled_now.items() if count == 2} >= touched
    if commit == "few change":
        assert sum(compiled_now.values()) == SITES + len(touched) < 2 * SITES
    monkeypatch.setattr(revisions, "_equal", lambda *_: ())
    assert between(base, head, NOW) == found
