"""One visit of a router by the service's probes: its SAs, then echo requests through what is up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.facets import sas
from reconciler.facets.sas import agreement
from reconciler.model.bounds import PROBE_REQUESTS
from reconciler.model.outcome import Echoes
from reconciler.model.router_config import IkeSa
from reconciler.routers.protocol import Router, entries


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """A tunnel to observe. Without `source` and `destination` nothing is sent through it."""

    connections: tuple[str, ...]
    """Those by which it may run."""
    source: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """What a router has answered. A tunnel that is not among `echoes` was sent nothing."""

    sas: Mapping[str, tuple[IkeSa, ...]]
    """By connection, of those that were asked for."""
    echoes: Mapping[str, Echoes]


def visit(router: Router, requests: Mapping[str, ProbeRequest], pace: float) -> Visit:
    """Observe some tunnels of a router, by name. What is down is sent nothing: a packet would wake it, and
    a trap loses the first ones. Raises what a router raises."""
    wanted = {name for one in requests.values() for name in one.connections}
    listed = defaultdict[str, list[IkeSa]](list)
    # Of a router with thousands of tunnels, only what is asked for is decoded.
    for name, body in entries(router.vici, "list-sas", "list-sa"):
        if name in wanted:
            listed[name].append(sas.decode(name, body))
    running = {name: tuple(sorted(found, key=lambda sa: int(sa.id))) for name, found in listed.items()}
    ways = {
        name: (one.source, one.destination)
        for name, one in requests.items()
        if one.source and any(agreement.carrying(running.get(there, ())) for there in one.connections)
    }
    return Visit(running, _echoes(router, ways, pace))


def _echoes(router: Router, ways: Mapping[str, tuple[str, str]], pace: float) -> dict[str, Echoes]:
    if not ways:
        return {}
    sent: Sequence[Echoes | None] = router.host.probe(tuple(ways.values()), PROBE_REQUESTS, pace)
    return {name: ping for name, ping in zip(ways, sent, strict=True) if ping is not None}
