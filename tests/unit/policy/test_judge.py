"""Limits over real plans: what is refused, what waits, and that what waits is all that is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.model.fabric import Fabric, Safety, Tunnel, Window
from reconciler.model.plan import Disruption
from reconciler.policy.judge import Judgement, Limit
from reconciler.run import Preview, apply, gated
from tests.contract.sites import Site, change_tunnels, memory_site
from tests.fabrics import many_tunnels

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NEVER = Window(allow=True, schedule="0 2 1 1 *", minutes=1, timezone="UTC")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return memory_site(tmp_path)


def without(fabric: Fabric, *tunnels: str) -> Fabric:
    return replace(fabric, tunnels={k: v for k, v in fabric.tunnels.items() if k not in tunnels})


def judged(site: Site, fabric: Fabric, *limits: Limit) -> tuple[Preview, Judgement]:
    return gated(site.preview(fabric), NOW, frozenset(limits))


def moved(tunnel: Tunnel) -> Tunnel:
    """The same with something that interrupts."""
    return replace(tunnel, reconnect="now")


@pytest.mark.parametrize(("removed", "refused"), [(3, False), (4, True), (12, True)])
def test_a_plan_that_removes_too_large_a_share_is_refused(site: Site, removed: int, refused: bool) -> None:
    fabric = many_tunnels(6)
    site.apply(fabric)
    names = sorted(fabric.tunnels)[:removed]
    _, judgement = judged(site, without(fabric, *names))
    assert bool(judgement.refused) is refused
    if refused:
        assert f"{removed} of 12 tunnel ends would be removed; at most 30 %" in judgement.refused[0]
    assert not judged(site, without(fabric, *names), Limit.DELETIONS)[1].refused
    assert not judged(site, replace(without(fabric, *names), safety=Safety(deletions_minimum=13)))[1].refused


def test_renaming_and_disabling_all_is_no_deletion(site: Site) -> None:
    fabric = many_tunnels(6)
    site.apply(fabric)
    assert not judged(site, change_tunnels(fabric, enabled=False))[1].refused


def test_protection_outlives_the_document_that_declared_it(site: Site) -> None:
    site.apply(change_tunnels(site.fabric, protected=True))
    assert site.preview(change_tunnels(site.fabric, protected=True)).plan.empty
    gone = without(site.fabric, "paris-tokyo", "tokyo-paris")
    _, judgement = judged(site, gone)
    assert judgement.refused == (
        "paris/tunnel/paris-tokyo is protected from deletion: apply `deletionProtection: false` first",
        "tokyo/tunnel/tokyo-paris is protected from deletion: apply `deletionProtection: false` first",
    )
    assert not judged(site, gone, Limit.PROTECTION)[1].refused
    lifting = site.preview(site.fabric).plan
    assert [(c.path, c.before, c.after) for change in lifting.changes for c in change.changes] == [
        ("deletionProtection", "on", "off"),
        ("deletionProtection", "on", "off"),
    ]
    assert all(change.disruption is Disruption.NONE for change in lifting.changes)
    assert site.apply(site.fabric).converged
    assert not judged(site, gone)[1].refused


def test_outside_the_windows_what_interrupts_waits_and_the_rest_goes_on(site: Site) -> None:
    fabric = many_tunnels(3)
    site.apply(fabric)
    tunnels = dict(fabric.tunnels)
    for name in ("paris-000", "tokyo-000"):
        tunnels[name] = moved(tunnels[name])
    for name in ("paris-001", "tokyo-001"):
        tunnels[name] = replace(tunnels[name], esp=replace(tunnels[name].esp, pfs_group=15))
    desired = replace(fabric, tunnels=tunnels, safety=Safety(windows=(NEVER,)))
    allowed, judgement = judged(site, desired)
    assert {resource.name for resource in judgement.waiting} == {"paris-000", "tokyo-000"}
    assert {change.resource.name for change in allowed.plan.changes} == {"paris-001", "tokyo-001"}
    assert not judged(site, desired, Limit.WINDOWS)[1].waiting


def test_one_run_interrupts_no_more_than_it_may(site: Site) -> None:
    fabric = many_tunnels(4)
    site.apply(fabric)
    desired = replace(fabric, tunnels={}, safety=Safety(interruptions=1, deletions_share=100))
    runs = 0
    while not site.preview(desired).plan.empty:
        allowed, judgement = judged(site, desired)
        destroyed = {c.resource.name for c in allowed.plan.changes if c.disruption.rank >= 2}
        assert len(destroyed) <= 1
        left = {change.resource for change in site.preview(desired).plan.changes}
        assert set(judgement.waiting) <= left
        apply(allowed, site.connect, patience=0.1)
        runs += 1
        assert runs <= 10
    assert runs > 3
