"""Probe tunnels with real packets, and check them at both ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from reconciler.model import bounds
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.labels import LabelSelector
from reconciler.model.outcome import Check
from reconciler.model.plan import Plan
from reconciler.model.router_config import RouterConfig
from reconciler.observe.probe import probe
from reconciler.operations.desired import compile_fabric
from reconciler.operations.observed_plan import ObservedPlan, everything, leaving_out, observed, planned
from reconciler.plan.fleet import ChangeFilter
from reconciler.plan.targets import ends_named, targeting
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore
from reconciler.verify.checks import Probed, check_tunnel, check_tunnels


def verify(
    fabric: Fabric, store: SecretStore, fleet: Fleet, words: Collection[str | LabelSelector] = ()
) -> tuple[tuple[Check, ...], Plan]:
    """Probe every enabled tunnel with real packets and check it at both ends; with what has drifted. With
    `words` (tunnels, connections, routers, labels) only those tunnels, at their routers.

    Raises SecretUnavailable, and TunnelwrightError for a word that names nothing.
    """
    desired = compile_fabric(fabric, store)
    selected: ChangeFilter = everything
    if words:
        ends = ends_named(fabric, words)
        routers = {tunnel.router for tunnel in ends.values()}
        desired = {name: config for name, config in desired.items() if name in routers}
        selected = targeting(fabric, tuple(ends), ())
        fabric = replace(fabric, tunnels=ends)
    enabled = [tunnel for tunnel in fabric.tunnels.values() if tunnel.enabled]
    probing = fleet.within(lambda _: bounds.ROUTER_APPLY_SECONDS_IN_ALL, "one proof")
    probed = _probed(fabric, desired, enabled, observing=fleet, probing=probing)
    return tuple(check_tunnels(probed)), planned(desired, probed.after, selected)


def prove(
    before: ObservedPlan,
    fleet: Fleet,
    tunnels: Iterable[str],
    moved: Callable[[], None] = lambda: None,
) -> dict[str, tuple[Check, ...]]:
    """Probe some tunnels with real packets, and check each of them at both of its ends. Tunnels that are
    disabled, or end at a router that did not answer, are left out. `moved` is called after each."""
    fabric = before.fabric
    ends = {end.name: end for name in tunnels for end in fabric.ends_of(name)}
    chosen = {
        name: tunnel
        for name, tunnel in sorted(ends.items())
        if tunnel.enabled and tunnel.router in before.observation.states
    }
    routers = {tunnel.router for tunnel in chosen.values()}
    desired = {name: config for name, config in before.desired.items() if name in routers}
    part = replace(fabric, tunnels=ends)
    probed = _probed(part, desired, chosen.values(), observing=fleet, probing=fleet, moved=moved)
    return {name: tuple(check_tunnel(probed, tunnel)) for name, tunnel in chosen.items()}


def _probed(
    fabric: Fabric,
    desired: dict[str, RouterConfig],
    tunnels: Iterable[Tunnel],
    *,
    observing: Fleet,
    probing: Fleet,
    moved: Callable[[], None] = lambda: None,
) -> Probed:
    """Observe, send packets through the tunnels whose routers answered, and observe those routers again: one
    that hangs is waited for once."""
    before = observed(desired, observing)
    echoes = probe(fabric, probing, (tunnel for tunnel in tunnels if tunnel.router in before.states), moved)
    there = {name: config for name, config in desired.items() if name in before.states}
    after = leaving_out(observed(there, observing), before.failures)
    return Probed(fabric, desired, before, after, echoes)
