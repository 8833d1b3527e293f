"""A router reached by SSH: VICI over a forwarded unix socket, the rest by commands, all on one connection.

The user's own OpenSSH configuration holds (aliases, ProxyJump, ProxyCommand, IdentityFile), as for `ssh`.
Nothing is ever asked for: keys only, no passwords, and a host key that is not known is refused.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import shlex
import socket
import threading
from collections.abc import Coroutine, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from reconciler.facets.files import FOLDER
from reconciler.model.errors import RouterUnreachable
from reconciler.model.fabric import SshAccess
from reconciler.routers.shell_host import Completed, ShellHost
from reconciler.routers.unix_vici import UnixVici

Result = TypeVar("Result")

_CONNECT_TIMEOUT = 10.0
_KEEPALIVE = 5.0
"""Seconds between signs of life; after three without an answer the connection is given up."""
_COMMAND_TIMEOUT = 120.0
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
        try:
            self._connection = self._wait(self._connect(), _CONNECT_TIMEOUT * 2)
            self.vici = UnixVici(self.name, self._wait(self._forward(self._connection), _CONNECT_TIMEOUT))
        except BaseException:
            self._stop()
            raise
        self.host = ShellHost(self.name, self._run, FOLDER)

    def close(self) -> None:
        """Close the VICI session and the connection."""
        self.vici.close()
        self._stop()

    async def _connect(self) -> asyncssh.SSHClientConnection:
        access = self._access
        options: dict[str, Any] = {}
        if access.identity_file:
            # As `IdentitiesOnly`: an agent full of other keys would use up the attempts that sshd allows.
            options |= {"client_keys": [str(Path(access.identity_file).expanduser())], "agent_path": None}
        if access.host_key:
            options["known_hosts"] = ([asyncssh.import_public_key(access.host_key)], [], [])
        if access.port is not None:
            options["port"] = access.port
        if access.user is not None:
            options["username"] = access.user
        client = _Client()
        try:
            return await asyncssh.connect(
                access.host,
                client_factory=lambda: client,
                preferred_auth=["publickey"],
                connect_timeout=_CONNECT_TIMEOUT,
                keepalive_interval=_KEEPALIVE,
                **options,
            )
        except (OSError, asyncssh.Error, ValueError) as error:
            raise self._not_connected(error, client.offered) from error

    def _not_connected(self, error: Exception, offered: str) -> RouterUnreachable:
        access = self._access
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            where = "spec.access.ssh.hostKey" if access.host_key else "~/.ssh/known_hosts"
            return self._unreachable(
                f"the host key of {access.host} is not trusted: {offered or error.reason}",
                f"compare it with the router's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there),"
                f" then put that key into {where}",
            )
        if isinstance(error, asyncssh.PermissionDenied):
            return self._unreachable(
                f"{access.host} accepts none of our keys",
                "spec.access.ssh.identityFile names one; without it the agent's and ~/.ssh/id_* are tried",
            )
        if isinstance(error, asyncssh.KeyImportError | ValueError | FileNotFoundError | PermissionError):
            return self._unreachable(f"the SSH key or configuration cannot be read: {error}", "")
        reason = str(error) or "no answer in time"
        return self._unreachable(f"{access.host} does not answer: {reason}", "is sshd running there?")

    async def _forward(self, connection: asyncssh.SSHClientConnection) -> socket.socket:
        """A socket that is charon's."""
        path = self._access.vici_socket
        try:
            far_reader, far_writer = await connection.open_unix_connection(path)
        except (asyncssh.Error, OSError) as error:
            raise self._unreachable(
                f"sshd does not forward to charon's VICI socket {path}: {error}",
                "is charon running, may this user open the socket, and does sshd_config say"
                " `AllowStreamLocalForwarding yes`?",
            ) from error
        near, ours = socket.socketpair()
        near_reader, near_writer = await asyncio.open_unix_connection(sock=near)
        self._pumps = [
            asyncio.create_task(_pump(near_reader, far_writer)),
            asyncio.create_task(_pump(far_reader, near_writer)),
        ]
        return ours

    def _run(self, argv: Sequence[str], stdin: bytes) -> Completed:
        connection = self._connection
        if connection is None:
            raise self._unreachable("the connection is closed", "")
        try:
            done = self._wait(connection.run(shlex.join(argv), input=stdin, encoding=None), _COMMAND_TIMEOUT)
        except (asyncssh.Error, OSError) as error:
            raise RouterUnreachable(
                f"the connection to {self._access.host} broke: {str(error) or 'no answer in time'}",
                router=self.name,
                operation=argv[0],
            ) from error
        if done.exit_status is None:
            raise RouterUnreachable(
                f"the connection to {self._access.host} broke in the middle of a command",
                router=self.name,
                operation=argv[0],
            )
        return Completed(done.exit_status, _bytes(done.stdout), _bytes(done.stderr))

    def _wait(self, work: Coroutine[Any, Any, Result], timeout: float) -> Result:
        """Run a coroutine in the connection's own thread. Raises TimeoutError, an OSError."""
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout), _loop()).result()

    def _stop(self) -> None:
        async def end() -> None:
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            if self._connection is not None:
                self._connection.abort()
                await self._connection.wait_closed()

        with contextlib.suppress(TimeoutError):
            self._wait(end(), _CONNECT_TIMEOUT)

    def _unreachable(self, message: str, hint: str) -> RouterUnreachable:
        return RouterUnreachable(message, router=self.name, operation="connect", hint=hint)


class _Client(asyncssh.SSHClient):
    """Trusts no key beyond the known ones, and remembers which was offered."""

    offered = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        del host, addr, port
        self.offered = f"{key.get_algorithm()} {key.get_fingerprint()}"
        return False


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


def _bytes(output: bytes | str | None) -> bytes:
    return output if isinstance(output, bytes) else (output or "").encode()
