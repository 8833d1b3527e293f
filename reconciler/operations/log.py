"""Reads what charon says about tunnels, at each of their managed ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.labels import LabelSelector
from reconciler.observe.tunnel_log import Say, Words, follow_log
from reconciler.plan.targets import one_end_each
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router


def follow_tunnels(
    fabric: Fabric, fleet: Fleet, words: Iterable[str | LabelSelector], say: Say, over: Callable[[], bool]
) -> Mapping[str, TunnelwrightError]:
    """Say what charon says about tunnels until it is `over`; the routers that were not read to the end, each
    with the error. A router that fails ends nothing at another one.

    Raises TunnelwrightError for a word that names no tunnel.
    """
    names = one_end_each(fabric, words)
    ends: dict[str, list[Tunnel]] = {}
    for end in (end for name in names for end in fabric.ends_of(name)):
        ends.setdefault(end.router, []).append(end)
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
