"""Probe tunnels with real packets, and check them at both ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from reconciler.model import bounds
from reconciler.model.fabric import Fabric
from reconciler.model.outcome import Check
from reconciler.model.plan import Plan
from reconciler.observe.probe import probe
from reconciler.operations.desired import compile_fabric
from reconciler.operations.preview import Preview, everything, look, planned
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore
from reconciler.verify.checks import Probed, check_tunnel, check_tunnels


def verify(fabric: Fabric, store: SecretStore, fleet: Fleet) -> tuple[tuple[Check, ...], Plan]:
    """Probe every enabled tunnel with real packets and check it at both ends; with what has drifted.

    Raises SecretUnavailable.
    """
    desired = compile_fabric(fabric, store)
    before = look(desired, fleet)
    reachable = [
        tunnel for tunnel in fabric.tunnels.values() if tunnel.enabled and tunnel.router in before.states
    ]
    proving = fleet.within(lambda _: bounds.ROUTER_APPLY_SECONDS_IN_ALL, "one proof")
    pings = probe(fabric, proving, reachable)
    after = look(desired, fleet)
    checks = tuple(check_tunnels(Probed(fabric, desired, before, after, pings)))
    return checks, planned(desired, after, everything)


def prove(
    before: Preview,
    fleet: Fleet,
    tunnels: Iterable[str],
    moved: Callable[[], None] = lambda: None,
) -> dict[str, tuple[Check, ...]]:
    """Probe some tunnels with real packets, and check each of them at both of its ends. Tunnels that are
    disabled, or end at a router that did not answer, are left out. `moved` hears of each ping."""
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
    earlier = look(desired, fleet)
    ready = (tunnel for tunnel in chosen.values() if tunnel.router in earlier.states)
    pings = probe(part, fleet, ready, moved)
    probed = Probed(part, desired, earlier, look(desired, fleet), pings)
    return {name: tuple(check_tunnel(probed, tunnel)) for name, tunnel in chosen.items()}
