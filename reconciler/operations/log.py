"""Listens to what charon says about one tunnel, at each of its managed ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.model.suggestion import check_known
from reconciler.observe.tunnel_log import Say, Words, follow_log
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router


def follow_tunnel(
    fabric: Fabric, fleet: Fleet, name: str, say: Say, over: Callable[[], bool]
) -> Mapping[str, TunnelwrightError]:
    """Say what charon says about a tunnel until it is `over`; the routers that were not read to the end,
    each with the error. A router that fails ends nothing at the other one.

    Raises TunnelwrightError for a name that no tunnel has.
    """
    name = fabric.tunnel_of(name)
    check_known([name], fabric.tunnels, "tunnel")
    ends = {tunnel.router: tunnel for tunnel in (fabric.tunnels[name], *fabric.ends_of(name))}
    one_by_one = threading.Lock()
    stop = threading.Event()
    failed: dict[str, TunnelwrightError] = {}

    def said(words: Words) -> None:
        with one_by_one:
            say(words)

    def at(router: Router) -> None:
        follow_log(router, ends[router.name], stop.is_set, said)

    def both() -> None:
        ended = fleet.each(sorted(ends), at)
        failed.update((router, error) for router, error in ended.items() if error is not None)

    # An interrupt reaches this thread, which ends the others.
    following = threading.Thread(target=both, name="log", daemon=True)
    following.start()
    try:
        while following.is_alive() and not over():
            following.join(bounds.LOG_TICK)
    finally:
        stop.set()
        following.join(bounds.ROUTER_CONNECT_SECONDS)
    return failed
