"""A plan that is looked at again: what is not as it was costs its router, and the tunnels that end there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.absence import Absence, AbsenceKind
from reconciler.model.errors import RouterUnreachable
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import confirmed
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from tests.contract.sites import Site, change_tunnels, memory_site
from tests.fabrics import INTERNET, two_routers


def three_routers(folder: Path) -> Site:
    """paris, tokyo and, with no tunnel, oslo, in memory."""
    site = memory_site(folder)
    lone = memory_site(folder).connect("tokyo")
    base = two_routers()
    oslo = replace(
        base.routers["tokyo"],
        name="oslo",
        public=(replace(base.routers["tokyo"].public[0], cidr=INTERNET, address="203.0.113.3"),),
    )
    fabric = replace(base, routers={**base.routers, "oslo": oslo})
    return replace(
        site, fabric=fabric, reach=lambda made, name: lone if name == "oslo" else site.reach(made, name)
    )


def lose_file(site: Site) -> None:
    site.connect("tokyo").host.remove_files(["tw-tokyo-paris.conf"])


def forget_connection(site: Site) -> None:
    site.connect("tokyo").vici.request("unload-conn", {"name": "tw-tokyo-paris"})


def set_sysctl(site: Site) -> None:
    site.connect("tokyo").host.set_sysctls({"net/ipv4/ip_forward": "1"})


@pytest.mark.parametrize("move", [lose_file, forget_connection, set_sysctl])
def test_one_router_that_moved_is_left_out_with_the_tunnels_that_end_there(
    tmp_path: Path, move: Callable[[Site], None]
) -> None:
    site = three_routers(tmp_path)
    assert site.apply(timeout=1).converged
    wanted = change_tunnels(site.fabric, esp__lifetime=1800)
    for name in ("paris", "tokyo", "oslo"):
        site.connect(name).host.sysctls.clear()  # type: ignore[attr-defined]
    before = site.preview(wanted)
    loaded = dict(site.connect("paris").vici.connections)  # type: ignore[attr-defined]
    move(site)
    again, moved = confirmed(before, site.fleet)
    assert {name: Absence.of(error).kind for name, error in moved.items()} == {"tokyo": AbsenceKind.CHANGED}
    assert again.plan.routers == {"paris", "oslo"}
    assert {change.resource.kind for change in again.plan.changes} == {"sysctl"}
    assert again.plan.withheld.keys() == {"paris-tokyo"}
    assert apply(again, site.fleet, timeout=1).converged
    assert site.connect("paris").vici.connections == loaded  # type: ignore[attr-defined]


def test_one_that_does_not_answer_any_more_is_left_out_the_same_way(tmp_path: Path) -> None:
    site = three_routers(tmp_path)
    assert site.apply(timeout=1).converged
    for name in ("paris", "tokyo", "oslo"):
        site.connect(name).host.sysctls.clear()  # type: ignore[attr-defined]
    before = site.preview(change_tunnels(site.fabric, esp__lifetime=1800))

    def connect(name: str) -> Router:
        if name == "paris":
            raise RouterUnreachable("no route", router=name)
        return site.connect(name)

    again, moved = confirmed(before, Fleet(connect))
    assert {name: error.message for name, error in moved.items()} == {"paris": "no route"}
    assert again.plan.routers == {"tokyo", "oslo"}
    assert again.plan.withheld.keys() == {"tokyo-paris"}


def test_what_has_not_moved_is_the_same_plan(tmp_path: Path) -> None:
    site = three_routers(tmp_path)
    before = site.preview()
    again, moved = confirmed(before, site.fleet)
    assert (again.plan.changes, moved) == (before.plan.changes, {})


def test_when_all_have_moved_nothing_is_left(tmp_path: Path) -> None:
    site = three_routers(tmp_path)
    before = site.preview()
    assert site.apply(timeout=1).converged
    again, moved = confirmed(before, site.fleet)
    assert again.plan.empty
    assert set(moved) == {"paris", "tokyo", "oslo"}
