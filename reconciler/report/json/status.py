"""The conditions of connections, and the live state of routers, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from reconciler.model.absence import Absence
from reconciler.model.condition import ConnectionCondition, EndCondition
from reconciler.model.observation import Observation
from reconciler.report.json.plan import absence_objects


def status_objects(seen: Observation) -> Iterator[dict[str, Any]]:
    """One object a router, then one for each of its IKE_SAs."""
    yield from absence_objects({name: Absence.of(error) for name, error in seen.failures.items()})
    for name, state in sorted(seen.states.items()):
        yield {"type": "router", "router": name, "version": state.version, "data_plane": state.data_plane}
        yield from ({"type": "ike_sa", "router": name, **asdict(sa)} for sa in state.sas)


def condition_objects(found: Sequence[ConnectionCondition]) -> Iterator[dict[str, Any]]:
    """One object for each connection, then one for each of its ends."""
    for one in found:
        yield {
            "type": "connection",
            "connection": one.name,
            "state": str(one.state),
            "reason": one.reason,
            "drift": one.drifts,
            "ends": [end.tunnel.name for end in one.ends],
        }
        yield from (_end(one.name, end) for end in one.ends)


def _end(connection: str, end: EndCondition) -> dict[str, Any]:
    local, remote = end.addresses
    return {
        "type": "end",
        "connection": connection,
        "router": end.tunnel.router,
        "tunnel": end.tunnel.name,
        "state": str(end.state),
        "reason": end.reason,
        "drift": end.drift,
        "live": bool(end.running),
        "local_address": local,
        "remote_address": remote,
        "packets_in": sum(child.packets_in for child in end.children),
        "bytes_in": sum(child.bytes_in for child in end.children),
        "packets_out": sum(child.packets_out for child in end.children),
        "bytes_out": sum(child.bytes_out for child in end.children),
        "algorithms": sorted({child.algorithms for child in end.children}),
        "age": min((child.age for child in end.children), default=None),
    }
