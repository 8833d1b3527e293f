"""Routers of which every answer comes, and takes long: by a clock that a test moves, and over a real SSH
server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from reconciler.model import bounds
from reconciler.model.fabric import SshAccess
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.protocol import Connect, Router
from reconciler.routers.quota import Quotas, in_force
from tests.odd import OddRouter, Twist

_LIMITS = Limits(bounds.ROUTER_LONGEST_SECONDS, bounds.MIB)


@dataclass(slots=True)
class Clock:
    """Seconds, moved by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


@dataclass(frozen=True, slots=True)
class Slowly(Mapping[str, Twist]):
    """Every answer of a router is true and takes `seconds` of the clock, as far as it may."""

    router: str
    clock: Clock
    seconds: Callable[[str], float]
    quotas: Quotas

    def __contains__(self, operation: object) -> bool:
        """All but its end."""
        return operation != "close"

    def __getitem__(self, operation: str) -> Twist:
        """How one answer comes."""
        if operation not in self:
            raise KeyError(operation)

        def twist(true: Callable[[], Any]) -> Any:
            with Allowance(_LIMITS, self.router, operation, quotas=self.quotas) as allowance:
                self.clock.now += min(self.seconds(operation), allowance.left())
                allowance.left()
                return true()

        return twist

    def __iter__(self) -> Iterator[str]:
        """They are not counted."""
        return iter(())

    def __len__(self) -> int:
        """They are not counted."""
        return 0


def slowly(connect: Connect, clock: Clock, seconds: Mapping[str, Callable[[str], float] | float]) -> Connect:
    """The same routers, some of which answer slowly: the `seconds` of each, or of each of its operations."""

    def slow(name: str) -> Router:
        router = connect(name)
        if name not in seconds:
            return router
        taken = seconds[name]
        each = taken if callable(taken) else lambda _: taken
        return OddRouter(router, Slowly(name, clock, each, in_force()))

    return slow


Command = Callable[[asyncssh.SSHServerProcess[bytes]], Awaitable[None]]


class _Server(asyncssh.SSHServer):
    """Forwards to any socket of this machine."""

    def unix_connection_requested(self, _path: str) -> bool:
        return True


@contextlib.contextmanager
def sshd(folder: Path, command: Command) -> Iterator[SshAccess]:
    """A real SSH server on this machine, of which each command is answered by `command`; charon.vici of the
    folder is charon's socket. HOME has to be a folder without a configuration of its own."""
    ours, theirs = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    identity = folder / "identity"
    ours.write_private_key(identity)
    identity.chmod(0o600)
    known = asyncssh.import_authorized_keys(ours.export_public_key().decode())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=_Server,
            server_host_keys=[theirs],
            authorized_client_keys=known,
            process_factory=command,
            encoding=None,
        )

    async def end() -> None:
        acceptor.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    acceptor = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    host_key = theirs.export_public_key().decode().strip()
    try:
        socket = str(folder / "charon.vici")
        yield SshAccess("127.0.0.1", acceptor.get_port(), "root", str(identity), host_key, socket)
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def held() -> tuple[int, int, int]:
    """Threads, file descriptors and children of this process."""
    children = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        # A process may end while it is read.
        with contextlib.suppress(OSError):
            children += status.read_text().rpartition(")")[2].split()[1] == str(os.getpid())
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), children
