"""Tunnel ends that lose a managed other end, which `validate` cannot see once its router is gone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diff.live import Live
from reconciler.facets import files
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Resource
from reconciler.model.router_config import RouterState
from reconciler.policy.units import connections_of, traffic_on

HINT = (
    "delete this end too, or bring back the other one; if somebody else manages it from now on, write "
    "`peer.managed: false`"
)


def lone_ends(fabric: Fabric, states: Mapping[str, RouterState]) -> Iterator[tuple[Resource, str]]:
    """The ends, in order of name, each with the reason.

    The router's file says that the other end was managed; between the same two addresses it is the same
    tunnel, whatever its name is.
    """
    for name, tunnel in sorted(fabric.tunnels.items()):
        if tunnel.mirror is not None or tunnel.unmanaged or tunnel.router not in states:
            continue
        state = states[tunnel.router]
        for connection in connections_of(fabric, name):
            paired = files.paired_in(state.files.get(files.file_name(connection)))
            ends = tunnel.vip.address, tunnel.peer_address
            if paired and ends in traffic_on(Live(state), (connection,)).ends:
                reason = f"its peer {tunnel.peer_address} would be somebody else's"
                yield Resource(tunnel.router, "tunnel", name), f"it loses its managed other end, and {reason}"
                break
