"""Routers in memory with tunnels between them, what is wanted of them, and what of it is judged how."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from reconciler.facets.firewall.nft_listing import decode
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.router_config import Pair
from reconciler.model.safety import Window
from reconciler.operations.apply import Applied, apply
from reconciler.operations.observed_plan import ObservedPlan, narrowed
from reconciler.policy import Judgement, Override, judge
from tests.contract.sites import Site, memory_site
from tests.converged import assert_converged
from tests.fabrics import many_tunnels, number_of

NOW = datetime(2026, 5, 9, 12, 0, tzinfo=UTC)
CLOSED = (Window("allow", "0 2 * * *", 3600, "UTC"),)
NIGHT = NOW.replace(hour=2)


def site_of(count: int, **fields: object) -> Site:
    """Routers that hold `count` tunnels, with both ends as `fields` say."""
    site = memory_site(Path(tempfile.mkdtemp()))
    fabric = each(many_tunnels(count), lambda tunnel: replace(tunnel, **fields))
    assert_converged(site.apply(fabric))
    return replace(site, fabric=fabric)


def each(fabric: Fabric, change: object) -> Fabric:
    assert callable(change)
    return replace(fabric, tunnels={name: change(tunnel) for name, tunnel in fabric.tunnels.items()})


def reconnecting(fabric: Fabric, numbers: set[int]) -> Fabric:
    """What interrupts and leaves the selectors alone."""

    def change(tunnel: Tunnel) -> Tunnel:
        return replace(tunnel, reconnect="now") if number_of(tunnel.name) in numbers else tunnel

    return each(fabric, change)


def renewing(fabric: Fabric, numbers: set[int]) -> Fabric:
    """What interrupts nothing."""

    def change(tunnel: Tunnel) -> Tunnel:
        esp = replace(tunnel.esp, integrity="sha512")
        return replace(tunnel, esp=esp) if number_of(tunnel.name) in numbers else tunnel

    return each(fabric, change)


def without(fabric: Fabric, numbers: set[int]) -> Fabric:
    kept = {name: t for name, t in fabric.tunnels.items() if number_of(name) not in numbers}
    return replace(fabric, tunnels=kept)


def judged(
    site: Site, fabric: Fabric, *overrides: Override, now: datetime = NOW
) -> tuple[ObservedPlan, Judgement]:
    before = site.preview(fabric)
    found = judge(before.plan, fabric, before.observation.states, now, frozenset(overrides))
    return before, found


def apply_allowed(site: Site, before: ObservedPlan, judgement: Judgement) -> Applied:
    return apply(narrowed(before, judgement.allows), site.fleet, timeout=1)


def guarded(site: Site) -> dict[str, frozenset[Pair]]:
    tables = {name: decode(site.connect(name).host.snapshot([]).firewall) for name in ("paris", "tokyo")}
    return {name: table.guarded for name, table in tables.items() if table is not None}


def waiting(judgement: Judgement) -> set[int]:
    return {number_of(resource.name) for resource in judgement.deferred}
