"""A router reached by SSH: VICI over a forwarded unix socket, the rest by commands, all on one
connection."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import shlex
import socket
import threading
from collections.abc import Coroutine, Sequence
from functools import cache
from typing import Any, TypeVar

import asyncssh

from reconciler.facets.files import FOLDER
from reconciler.model import bounds
from reconciler.model.errors import CommandRejected, RouterUnreachable, TunnelwrightError
from reconciler.model.fabric import SshAccess
from reconciler.model.visible import visible
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.links import NONE_KEPT, Lease, Links
from reconciler.routers.protocol import Closing
from reconciler.routers.quota import in_force
from reconciler.routers.redaction import without_keys
from reconciler.routers.shell_host import Completed, ShellHost
from reconciler.routers.ssh_connect import CONNECT_TIMEOUT, connect
from reconciler.routers.ssh_exec import run_over_ssh
from reconciler.routers.unix_vici import UnixVici

Result = TypeVar("Result")

_BEGIN = "--tunnelwright-begins--"
_BROKEN = "check that the router is up; the next apply completes the work there"
_CHUNK = 65536
_STARTING = threading.Lock()


class SshLink:
    """A connection that is logged in. `lost` says why it has ended; empty while it has not."""

    def __init__(self, access: SshAccess) -> None:
        self.host = access.host
        self.lost = ""
        self.connection: asyncssh.SSHClientConnection | None = None

    async def open(self, name: str, access: SshAccess, allowance: Allowance) -> None:
        """Log in. Raises RouterUnreachable."""
        self.connection = await connect(name, access, self._lose, allowance)

    def alive(self) -> bool:
        """Whether it was not lost: signs of life are asked for all the time."""
        return not self.lost

    def close(self) -> None:
        """End it."""
        connection = self.connection

        async def end() -> None:
            if connection is not None:
                connection.abort()
                await connection.wait_closed()

        with contextlib.suppress(Exception):
            _in_background(asyncio.wait_for(end(), CONNECT_TIMEOUT))

    def _lose(self, reason: str) -> None:
        self.lost = f"the connection to {self.host} broke: {reason}"


class SshRouter(Closing):
    """One router behind sshd. The connection is taken from `links` and given back.

    Raises RouterUnreachable when it does not answer, its host key is not trusted, no key of ours is
    accepted, or its sshd does not forward to charon's socket.
    """

    def __init__(self, name: str, access: SshAccess, links: Links = NONE_KEPT) -> None:
        self.name = name
        self._access = access
        self._pumps: list[asyncio.Task[None]] = []
        self._writers: list[Any] = []
        limits = Limits(bounds.ROUTER_CONNECT_SECONDS, bounds.ROUTER_WORDS_BYTES)
        with Allowance(limits, name, "connect", quotas=in_force()) as allowance:
            forwarded = self._reached(links, allowance)
            self.vici = UnixVici(name, forwarded, lambda: self._lease.link.lost)
        self.host = ShellHost(self.name, self._run, FOLDER)

    def close(self) -> None:
        """Close the VICI session, and keep the link for its next user."""
        if self._lease.ended:
            return
        self.vici.close()
        with contextlib.suppress(RouterUnreachable):
            self._wait(asyncio.wait_for(self._end_pumps(), CONNECT_TIMEOUT), "close")
        self._lease.end()

    def _reached(self, links: Links, allowance: Allowance) -> socket.socket:
        """charon's socket, over a connection that lay idle, or a new one where that leads there no more."""
        key = (self.name, self._access)
        if (kept := links.take(key, SshLink)) is not None:
            self._lease = Lease(links, key, kept)
            try:
                with self._lease.opening():
                    return self._wait(self._forward(allowance), "connect")
            except TunnelwrightError as error:
                if not error.retryable:
                    raise
        self._lease = Lease(links, key, SshLink(self._access))
        with self._lease.opening():
            self._wait(self._lease.link.open(self.name, self._access, allowance), "connect")
            return self._wait(self._forward(allowance), "connect")

    async def _end_pumps(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        # A pump that was cancelled before it began has closed nothing.
        for writer in self._writers:
            writer.close()

    async def _forward(self, allowance: Allowance) -> socket.socket:
        """A socket that is charon's."""
        path = self._access.vici_socket
        connection = self._connection("connect")
        try:
            async with asyncio.timeout(min(CONNECT_TIMEOUT, allowance.left())):
                try:
                    far_reader, far_writer = await connection.open_unix_connection(path)
                except asyncssh.ChannelOpenError as error:
                    raise await self._not_forwarded(connection, error, allowance) from error
        except (asyncssh.Error, OSError) as error:
            # Where no time is left, that is why.
            allowance.left()
            reason = visible(str(error)) or f"no answer within {CONNECT_TIMEOUT:.0f} s"
            raise self._unreachable("connect", f"sshd does not forward to {path}: {reason}") from error
        near, ours = socket.socketpair()
        near_reader, near_writer = await asyncio.open_unix_connection(sock=near)
        self._writers = [near_writer, far_writer]
        self._pumps = [
            asyncio.create_task(_pump(near_reader, far_writer)),
            asyncio.create_task(_pump(far_reader, near_writer)),
        ]
        return ours

    async def _not_forwarded(
        self,
        connection: asyncssh.SSHClientConnection,
        error: asyncssh.ChannelOpenError,
        allowance: Allowance,
    ) -> RouterUnreachable:
        """sshd says "open failed", whether it may not or cannot: a look at the socket shows which."""
        path = self._access.vici_socket
        there = await run_over_ssh(connection, shlex.join(["test", "-S", path]), b"", allowance)
        if there is not None and there.status == 1:
            message = f"{self._access.host} has no VICI socket {path} that this user can access"
            hint = "check that charon runs there, and that spec.access.ssh.viciSocket names its socket"
        else:
            message = f"sshd does not forward to charon's VICI socket {path}: {visible(str(error))}"
            hint = (
                "check that charon runs and that this user may open the socket; sshd_config needs"
                " `AllowStreamLocalForwarding local` and `AllowTcpForwarding local`,"
                " authorized_keys `port-forwarding` after a `restrict`"
            )
        return RouterUnreachable(message, router=self.name, operation="connect", hint=hint)

    def _run(self, argv: Sequence[str], stdin: bytes, allowance: Allowance) -> Completed:
        operation = allowance.operation
        # bash reads ~/.bashrc for sshd's commands too, and what that prints is not the command's.
        command = f"echo {_BEGIN}; exec {shlex.join(argv)}"
        with self._lease.working():
            connection = self._connection(operation)
            done = self._wait(run_over_ssh(connection, command, stdin, allowance), operation)
            if done is None:
                # The end of a connection ends its commands without a status.
                message = f"the connection to {self._access.host} broke in the middle of a command"
                raise self._unreachable(operation, self._lease.link.lost or message)
        said, begun, output = done.stdout.partition(f"{_BEGIN}\n".encode())
        if not begun:
            words = visible(without_keys(said or done.stderr, keys=bool(stdin)))
            raise CommandRejected(
                f"the account's shell does not run our commands{f': {words}' if words else ''}",
                router=self.name,
                operation=operation,
                hint="the account needs a POSIX shell, no forced command, and no start-up file that exits",
            )
        return Completed(done.status, output, done.stderr)

    def _connection(self, operation: str) -> asyncssh.SSHClientConnection:
        connection = self._lease.link.connection
        if connection is None or self._lease.ended:
            raise self._unreachable(operation, "the connection is closed")
        return connection

    def _wait(self, work: Coroutine[Any, Any, Result], operation: str) -> Result:
        """Run a coroutine in the connections' own thread. Whatever it fails by is an error of this router:
        asyncssh hands on what the parts raise by which it takes a peer's bytes to pieces."""
        try:
            return _in_background(work)
        except TunnelwrightError:
            raise
        except Exception as error:
            reason = visible(str(error))[: bounds.ROUTER_MESSAGE_CHARACTERS] or type(error).__name__
            message = f"the connection to {self._access.host} broke: {reason}"
            raise self._unreachable(operation, self._lease.link.lost or message) from error

    def _unreachable(self, operation: str, message: str) -> RouterUnreachable:
        return RouterUnreachable(message, router=self.name, operation=operation, hint=_BROKEN)


def _in_background(work: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()


def _loop() -> asyncio.AbstractEventLoop:
    # Routers are connected to side by side, and all of them need the same one.
    with _STARTING:
        return _background()


@cache
def _background() -> asyncio.AbstractEventLoop:
    """The event loop of all connections, in a thread of its own until the process ends: what a connection
    leaves behind, such as a ProxyCommand that is about to end, is looked after there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="ssh", daemon=True)
    thread.start()

    def end() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    atexit.register(end)
    return loop


async def _pump(reader: Any, writer: Any) -> None:  # noqa: ANN401 - asyncio's streams and asyncssh's alike
    """Copy until either side ends, then end the other, so that its reader learns of it."""
    try:
        with contextlib.suppress(OSError, asyncssh.Error):
            while data := await reader.read(_CHUNK):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()
