"""A router reached by SSH: VICI over a forwarded unix socket, the rest by commands, all on one connection."""

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
from reconciler.routers.quota import in_force
from reconciler.routers.shell_host import Completed, ShellHost
from reconciler.routers.ssh_connect import CONNECT_TIMEOUT, connect
from reconciler.routers.ssh_exec import run_over_ssh
from reconciler.routers.unix_vici import UnixVici
from reconciler.routers.words import told

Result = TypeVar("Result")

_BEGIN = "--tunnelwright-begins--"
_BROKEN = "is the router up? What was not done there is done by the next apply"
_CHUNK = 65536
_STARTING = threading.Lock()


class SshRouter:
    """One router behind sshd.

    Raises RouterUnreachable when it does not answer, its host key is not trusted, no key of ours is
    accepted, or its sshd does not forward to charon's socket.
    """

    def __init__(self, name: str, access: SshAccess) -> None:
        self.name = name
        self._access = access
        self._connection: asyncssh.SSHClientConnection | None = None
        self._pumps: list[asyncio.Task[None]] = []
        self._lost = ""
        limits = Limits(bounds.ROUTER_CONNECT_SECONDS, bounds.ROUTER_WORDS_BYTES)
        with Allowance(limits, name, "connect", quotas=in_force()) as allowance:
            try:
                self._connection = self._wait(connect(name, access, self._lose, allowance), "connect")
                forwarded = self._wait(self._forward(self._connection, allowance), "connect")
                self.vici = UnixVici(name, forwarded, lambda: self._lost)
            except BaseException:
                self._stop()
                raise
        self.host = ShellHost(self.name, self._run, FOLDER)

    def close(self) -> None:
        """Close the VICI session and the connection."""
        self.vici.close()
        self._stop()

    def _lose(self, reason: str) -> None:
        self._lost = f"the connection to {self._access.host} broke: {reason}"

    async def _forward(self, connection: asyncssh.SSHClientConnection, allowance: Allowance) -> socket.socket:
        """A socket that is charon's."""
        path = self._access.vici_socket
        try:
            async with asyncio.timeout(min(CONNECT_TIMEOUT, allowance.left())):
                try:
                    far_reader, far_writer = await connection.open_unix_connection(path)
                except asyncssh.ChannelOpenError as error:
                    raise await self._not_forwarded(connection, error, allowance) from error
        except (asyncssh.Error, OSError) as error:
            # Where no time is left, that is why.
            allowance.left()
            reason = visible(str(error)) or f"nothing within {CONNECT_TIMEOUT:.0f} s"
            raise self._unreachable("connect", f"sshd does not forward to {path}: {reason}") from error
        near, ours = socket.socketpair()
        near_reader, near_writer = await asyncio.open_unix_connection(sock=near)
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
        """sshd says "open failed", whether it may not or cannot: a look at the socket tells."""
        path = self._access.vici_socket
        there = await run_over_ssh(connection, shlex.join(["test", "-S", path]), b"", allowance)
        if there is not None and there.status == 1:
            message = f"{self._access.host} has no VICI socket {path}, or none that this user may see"
            hint = "is charon running there? spec.access.ssh.viciSocket names its socket"
        else:
            message = f"sshd does not forward to charon's VICI socket {path}: {visible(str(error))}"
            hint = (
                "is charon running, and may this user open the socket? sshd_config needs"
                " `AllowStreamLocalForwarding local` and `AllowTcpForwarding local`,"
                " authorized_keys `port-forwarding` after a `restrict`"
            )
        return RouterUnreachable(message, router=self.name, operation="connect", hint=hint)

    def _run(self, argv: Sequence[str], stdin: bytes, allowance: Allowance) -> Completed:
        connection, operation = self._connection, allowance.operation
        if connection is None:
            raise self._unreachable(operation, "the connection is closed")
        # bash reads ~/.bashrc for sshd's commands too, and what that prints is not the command's.
        command = f"echo {_BEGIN}; exec {shlex.join(argv)}"
        done = self._wait(run_over_ssh(connection, command, stdin, allowance), operation)
        if done is None:
            # The end of a connection ends its commands without a status.
            message = f"the connection to {self._access.host} broke in the middle of a command"
            raise self._unreachable(operation, self._lost or message)
        said, begun, output = done.stdout.partition(f"{_BEGIN}\n".encode())
        if not begun:
            words = visible(told(said or done.stderr, keys=bool(stdin)))
            raise CommandRejected(
                f"the account's shell runs no command of ours{f': {words}' if words else ''}",
                router=self.name,
                operation=operation,
                hint="the account needs a POSIX shell, no forced command, and no start-up file that exits",
            )
        return Completed(done.status, output, done.stderr)

    def _wait(self, work: Coroutine[Any, Any, Result], operation: str) -> Result:
        """Run a coroutine in the connections' own thread. Whatever it fails by is an error of this router:
        asyncssh hands on what the parts raise by which it takes a peer's bytes to pieces."""
        try:
            return asyncio.run_coroutine_threadsafe(work, _loop()).result()
        except TunnelwrightError:
            raise
        except Exception as error:
            reason = visible(str(error))[: bounds.ROUTER_MESSAGE_CHARACTERS] or type(error).__name__
            message = f"the connection to {self._access.host} broke: {reason}"
            raise self._unreachable(operation, self._lost or message) from error

    def _stop(self) -> None:
        async def end() -> None:
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            if self._connection is not None:
                self._connection.abort()
                await self._connection.wait_closed()

        with contextlib.suppress(RouterUnreachable):
            self._wait(asyncio.wait_for(end(), CONNECT_TIMEOUT), "close")

    def _unreachable(self, operation: str, message: str) -> RouterUnreachable:
        return RouterUnreachable(message, router=self.name, operation=operation, hint=_BROKEN)


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
    """Copy until either side ends, then end the other: whoever waits there learns of it."""
    try:
        with contextlib.suppress(OSError, asyncssh.Error):
            while data := await reader.read(_CHUNK):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()
