"""Live tunnels -> the results of echo requests through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from reconciler.model.errors import CommandRejected, TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel, probe_addresses
from reconciler.model.outcome import Echoes
from reconciler.routers.fleet import Fleet, Sessions
from reconciler.routers.protocol import Router

_PROBES = 5
# A trap loses the packets that arrive while the tunnel negotiates, so a tunnel is woken first.
_WARM_UP = 3
_WAKINGS = 3
"""How often a tunnel is woken: between busy routers a negotiation takes longer than one ping waits."""


def probe(
    fabric: Fabric, fleet: Fleet, tunnels: Iterable[Tunnel], moved: Callable[[], None] = lambda: None
) -> dict[str, Echoes | TunnelwrightError]:
    """Send echo requests through each managed tunnel from the router's own address inside it; keys are
    tunnels. One that could not be probed has the reason. `moved` is called after each: many take long.

    One router after the other: packets from both ends at once would wake a tunnel twice.
    """
    by_router: dict[str, dict[str, tuple[str, str]]] = {}
    for tunnel in tunnels:
        ends = probe_addresses(fabric, tunnel)
        if ends is not None:
            by_router.setdefault(tunnel.router, {})[tunnel.name] = ends
    found: dict[str, Echoes | TunnelwrightError] = {}
    for name, ways in by_router.items():
        with fleet.kept() as sessions:
            found |= _probe_router(sessions, name, ways, moved)
    return found


def _probe_router(
    sessions: Sessions, name: str, ways: Mapping[str, tuple[str, str]], moved: Callable[[], None]
) -> dict[str, Echoes | TunnelwrightError]:
    found: dict[str, Echoes | TunnelwrightError] = {}
    ended: TunnelwrightError | None = None
    for tunnel, ends in ways.items():
        result = _wake_and_ping(sessions, name, ends, moved) if ended is None else ended
        found[tunnel] = result
        if isinstance(result, TunnelwrightError) and not isinstance(result, CommandRejected):
            # A router that does not answer is not asked for each of its tunnels.
            ended = result
    return found


def _wake_and_ping(
    sessions: Sessions, name: str, ends: tuple[str, str], moved: Callable[[], None]
) -> Echoes | TunnelwrightError:
    """Wake the tunnel, then probe it; what did not wake it is the result where nothing does."""

    def answered(count: int) -> Echoes | TunnelwrightError:
        found = sessions.one(name, partial(ping, ends=ends, count=count))
        moved()
        return found

    for _ in range(_WAKINGS):
        woken = answered(_WARM_UP)
        if isinstance(woken, TunnelwrightError):
            return woken
        if woken.received:
            break
    else:
        return woken
    probed = answered(_PROBES)
    if isinstance(probed, TunnelwrightError) or probed.received == probed.sent:
        return probed
    # Once more where one was lost: the packets that woke it may have been answered by an SA that goes again.
    return answered(_PROBES)


def ping(router: Router, ends: tuple[str, str], count: int) -> Echoes:
    """`count` echo requests from the first of two addresses, which is the router's own, to the second."""
    return router.host.ping(*ends, count)
