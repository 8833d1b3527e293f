"""One run at a time: a lock on each router itself, with an owner and an expiry.

The lock lies on the router because that is what two controllers have in common. It expires, so a run
that was killed holds up the next one for minutes at the most; a run that lives renews it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from reconciler.model.errors import Locked, TunnelwrightError
from reconciler.routers.protocol import Router

LEASE = 120
"""Seconds for which a lock holds without being renewed."""
_POLL = 0.5


def owner_name() -> str:
    """Who this process is, for whoever finds its lock: `user@host:pid`."""
    user = os.environ.get("LOGNAME") or os.environ.get("USER") or str(os.geteuid())
    return f"{user}@{socket.gethostname()}:{os.getpid()}".replace(" ", "_")


@contextlib.contextmanager
def locked(
    connect: Callable[[str], Router], routers: Iterable[str], timeout: float, lease: int = LEASE
) -> Iterator[None]:
    """Hold the lock of every router that answers; one that does not cannot be changed either.

    Routers are taken in order of name, so two runs cannot wait for each other. Raises Locked when one
    stays taken for `timeout` seconds.
    """
    owner = owner_name()
    deadline = time.monotonic() + timeout
    held: list[Router] = []
    done = threading.Event()
    renewal = threading.Thread(target=_renew, args=(held, owner, lease, done), daemon=True)
    try:
        for name in sorted(routers):
            try:
                router = connect(name)
            except TunnelwrightError:
                continue
            held.append(router)
            _take(router, owner, lease, deadline)
        renewal.start()
        yield
    finally:
        done.set()
        if renewal.is_alive():
            renewal.join()
        for router in held:
            with contextlib.suppress(TunnelwrightError):
                router.host.unlock(owner)
            router.close()


def _take(router: Router, owner: str, lease: int, deadline: float) -> None:
    while True:
        try:
            router.host.lock(owner, lease)
        except Locked:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL)
        else:
            return


def _renew(held: list[Router], owner: str, lease: int, done: threading.Event) -> None:
    while not done.wait(lease / 3):
        for router in held:
            with contextlib.suppress(TunnelwrightError):
                router.host.lock(owner, lease)
