"""A desired state -> what of it is probed, from where and how often. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.facets.connections import selectors
from reconciler.model import bounds
from reconciler.model.fabric import Fabric, Tunnel, address_inside, group_of, probe_addresses
from reconciler.observe.visit import ProbeRequest
from reconciler.service.rounds import Way


@dataclass(frozen=True, slots=True)
class Target:
    """One connection, and the end that it is probed from."""

    way: Way
    tunnel: Tunnel
    children: tuple[str, ...]
    request: ProbeRequest


def targets(fabric: Fabric, interval: float) -> Iterator[Target]:
    """Every connection of a desired state. A managed pair is probed from the end that initiates it, as far as
    that is enabled: replies show that it carries in both directions, and the two ends share the work."""
    for name, tunnel in sorted(fabric.tunnels.items()):
        if name != group_of(tunnel):
            continue
        ends = fabric.ends_of(name)
        end = next(
            (e for e in ends if e.enabled and e.initiates), next((e for e in ends if e.enabled), ends[0])
        )
        yield _target(fabric, name, end, interval)


def _target(fabric: Fabric, name: str, end: Tunnel, interval: float) -> Target:
    inside = probe_addresses(fabric, end)
    if inside is None and end.probe is not None:
        inside = (address_inside(fabric, end), end.probe.target)
    source, destination = inside if inside is not None and all(inside) else ("", "")
    seconds = interval if end.probe is None or end.probe.interval is None else end.probe.interval
    other = fabric.tunnels.get(end.other_end or "")
    way = Way(
        name,
        end.router,
        seconds,
        bounds.PROBE_REQUESTS if source and end.enabled else 0,
        other.router if other is not None and source else "",
    )
    children = tuple(child for child, _, _ in selectors(end))
    return Target(way, end, children, ProbeRequest(end.connections, source, destination))
