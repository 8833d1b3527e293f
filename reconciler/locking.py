"""One run at a time: a lock on each router itself, with an owner and an expiry.

The lock lies on the router because that is what two controllers have in common. A run that lives renews
it. One that was killed holds up nobody on its own machine, where it can be seen that it has gone, and
others until the lock expires.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reconciler.model.errors import Locked, RouterUnreachable, TunnelwrightError
from reconciler.routers.protocol import Router

LEASE = 120
"""Seconds for which a lock holds without being renewed."""
_POLL = 0.5


def owner_name() -> str:
    """Who this process is, for whoever finds its lock: `user@host:pid/start.namespace.boot`."""
    user = os.environ.get("LOGNAME") or os.environ.get("USER") or str(os.geteuid())
    return f"{user}@{socket.gethostname()}:{os.getpid()}/{_start(os.getpid())}.{_space()}".replace(" ", "_")


def _space() -> str:
    """Where this process' number means something: one namespace of one start of one machine. Host names are
    no proof, since containers may share them."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{Path('/proc/self/ns/pid').stat().st_ino}.{boot}"
    except OSError:
        return ""


def _start(process: int) -> str:
    """When a process began, in clock ticks since the machine did; empty when there is none (proc(5))."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _has_gone(owner: str) -> bool:
    """True when the owner was a process that could be seen from here, and is not there any more."""
    who, _, mark = owner.partition("/")
    start, _, space = mark.partition(".")
    process = who.rpartition(":")[2]
    return (
        bool(space)
        and space == _space()
        and process.isascii()
        and process.isdigit()
        and _start(int(process)) != start
    )


@contextlib.contextmanager
def locked(
    connect: Callable[[str], Router],
    routers: Iterable[str],
    timeout: float,
    *,
    lease: int = LEASE,
    parallelism: int = 10,
) -> Iterator[None]:
    """Hold the lock of every router that answers; one that does not cannot be changed either.

    They are reached side by side, and taken in order of name, so that two runs cannot wait for each other.
    Raises Locked when one stays taken for `timeout` seconds.
    """
    owner = owner_name()
    deadline = time.monotonic() + timeout
    reached: list[Router | None] = []
    held: list[Router] = []
    done = threading.Event()
    renewal = threading.Thread(target=_renew, args=(held, owner, lease, done), daemon=True)
    try:
        with ThreadPoolExecutor(max_workers=parallelism) as pool:
            reached += pool.map(lambda name: _reach(connect, name), sorted(routers))
        for router in filter(None, reached):
            with contextlib.suppress(RouterUnreachable):
                _take(router, owner, lease, deadline)
                held.append(router)
        renewal.start()
        yield
    finally:
        done.set()
        if renewal.is_alive():
            renewal.join()
        for router in held:
            with contextlib.suppress(TunnelwrightError):
                router.host.unlock(owner)
        for router in filter(None, reached):
            router.close()


def _reach(connect: Callable[[str], Router], name: str) -> Router | None:
    try:
        return connect(name)
    except TunnelwrightError:
        return None


def _take(router: Router, owner: str, lease: int, deadline: float) -> None:
    while True:
        try:
            router.host.lock(owner, lease)
        except Locked as error:
            if _has_gone(error.owner):
                router.host.unlock(error.owner)
            elif time.monotonic() >= deadline:
                raise
            else:
                time.sleep(_POLL)
        else:
            return


def _renew(held: list[Router], owner: str, lease: int, done: threading.Event) -> None:
    while not done.wait(lease / 3):
        for router in held:
            with contextlib.suppress(TunnelwrightError):
                router.host.lock(owner, lease)
