"""Listens to what charon says about one tunnel, at each of its managed ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.model.suggestion import check_known
from reconciler.observe.tunnel_log import Say, Words, listen
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router


def listen_to_tunnel(
    fabric: Fabric, fleet: Fleet, name: str, seconds: float | None, say: Say
) -> Mapping[str, TunnelwrightError]:
    """Say what charon says about a tunnel for so many seconds, without end for None; the routers that were
    not heard to the end, each with the error. A router that fails ends nothing at the other one.

    Raises TunnelwrightError for a name that no tunnel has.
    """
    check_known([name], fabric.tunnels, "tunnel")
    ends = {tunnel.router: tunnel for tunnel in (fabric.tunnels[name], *fabric.ends_of(name))}
    one_by_one = threading.Lock()
    stop = threading.Event()
    until = float("inf") if seconds is None else time.monotonic() + seconds

    def said(words: Words) -> None:
        with one_by_one:
            say(words)

    def at(router: Router) -> None:
        listen(router, ends[router.name], lambda: stop.is_set() or time.monotonic() >= until, said)

    try:
        ended = fleet.each(sorted(ends), at)
    finally:
        stop.set()
    return {router: error for router, error in ended.items() if isinstance(error, TunnelwrightError)}
