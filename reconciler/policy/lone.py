"""Tunnel ends that lose a managed other end, which `validate` cannot see once its router is gone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diff.live import Live
from reconciler.facets import files
from reconciler.model.fabric import Fabric
from reconciler.model.judgement import Deferral, Finding, Refusal
from reconciler.model.plan import Resource
from reconciler.policy.units import Unit, connections_of, traffic_on

_HINT = (
    "delete this end too, or bring back the other one; if its peer is unmanaged, set `peer.managed: false`"
)


def refused(unit: Unit, reason: str) -> Finding:
    """A lone end refuses the whole plan: a revision shows it, and its author can correct it."""
    return Refusal(unit.resources, reason, _HINT)


def deferred(unit: Unit, reason: str) -> Finding:
    """A lone end waits by itself: a router says so of its own files, which costs no other tunnel."""
    return Deferral(unit.resources, f"{reason} ({_HINT})", None)


def lone_ends(
    units: tuple[Unit, ...], fabric: Fabric, live: Mapping[str, Live]
) -> Iterator[tuple[Unit, str]]:
    """The units of a plan with such an end, each with the reason.

    The router's file says that the other end was managed; between the same two addresses it is the same
    tunnel, whatever its name is. Such a unit always changes: its file says so no longer.
    """
    for unit in units:
        lone = [resource.name for resource in unit.resources if _is_lone(resource, fabric, live)]
        if lone:
            peer = fabric.tunnels[lone[0]].peer_address
            left = f"{lone[0]} loses its managed other end"
            yield unit, f"{left}, and its peer {peer} would become unmanaged"


def _is_lone(resource: Resource, fabric: Fabric, live: Mapping[str, Live]) -> bool:
    tunnel = fabric.tunnels.get(resource.name)
    if tunnel is None or not tunnel.enabled or tunnel.other_end is not None or tunnel.unmanaged:
        return False
    there = live[resource.router]
    ends = tunnel.vip.address, tunnel.peer_address
    return any(
        files.WrittenFile(there.state.files.get(files.file_name(connection))).paired
        and ends in traffic_on(there, (connection,)).ends
        for connection in connections_of(fabric, tunnel.name)
    )
