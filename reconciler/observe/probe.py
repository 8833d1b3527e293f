"""Live tunnels -> what came back of the packets that were sent through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from reconciler.model.errors import CommandRejected, TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel, probe_addresses
from reconciler.model.outcome import Ping
from reconciler.routers.fleet import Connect, Fleet
from reconciler.routers.protocol import Router

_PROBES = 5
# A trap loses the packets that arrive while the tunnel negotiates, so a tunnel is woken first.
_WARM_UP = 3
_WAKINGS = 3
"""How often a tunnel is woken: between busy routers a negotiation takes longer than one ping waits."""


def probe(
    fabric: Fabric, connect: Connect, tunnels: Iterable[Tunnel], moved: Callable[[], None] = lambda: None
) -> dict[str, Ping | TunnelwrightError]:
    """Ping through each managed tunnel from the router's own address inside it; keys are tunnels. One that
    could not be probed has the reason. `moved` is called after each ping: many tunnels take long.

    One router after the other: packets from both ends at once would wake a tunnel twice.
    """
    by_router: dict[str, dict[str, tuple[str, str]]] = {}
    for tunnel in tunnels:
        ends = probe_addresses(fabric, tunnel)
        if ends is not None:
            by_router.setdefault(tunnel.router, {})[tunnel.name] = ends
    found: dict[str, Ping | TunnelwrightError] = {}
    for name, ways in by_router.items():
        with Fleet(connect, 1) as fleet:
            found |= _probe_router(fleet, name, ways, moved)
    return found


def _probe_router(
    fleet: Fleet, name: str, ways: Mapping[str, tuple[str, str]], moved: Callable[[], None]
) -> dict[str, Ping | TunnelwrightError]:
    found: dict[str, Ping | TunnelwrightError] = {}
    ended: TunnelwrightError | None = None
    for tunnel, ends in ways.items():
        result = fleet.one(name, partial(_wake_and_ping, ends=ends, moved=moved)) if ended is None else ended
        found[tunnel] = result
        if isinstance(result, TunnelwrightError) and not isinstance(result, CommandRejected):
            # A router that does not answer is not asked for each of its tunnels.
            ended = result
    return found


def _wake_and_ping(router: Router, ends: tuple[str, str], moved: Callable[[], None]) -> Ping:
    """Wake the tunnel, then probe it; what did not wake it is the result where nothing does."""

    def ping(count: int) -> Ping:
        found = router.host.ping(*ends, count)
        moved()
        return found

    woken = Ping(0, 0)
    for _ in range(_WAKINGS):
        woken = ping(_WARM_UP)
        if woken.received:
            break
    else:
        return woken
    probed = ping(_PROBES)
    # Once more where one was lost: the packets that woke it may have been answered by an SA that goes again.
    return probed if probed.received == probed.sent else ping(_PROBES)
