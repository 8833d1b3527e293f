"""Opening an SSH connection: which configuration holds, whom it trusts, and why it did not come about.

The user's own OpenSSH configuration holds as for `ssh` (aliases, ProxyJump, ProxyCommand, IdentityFile,
UserKnownHostsFile), except for what would let a stranger in, ask a person, or send more than is needed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import asyncssh

from reconciler.model.errors import RouterUnreachable
from reconciler.model.fabric import SshAccess
from reconciler.model.visible import visible
from reconciler.routers.allowance import Allowance

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection is logged in."""

Lost: TypeAlias = Callable[[str], None]
"""Is called with the reason why a connection that was there has ended."""

_NOT_ACCEPTED = (
    "check spec.access.ssh.identityFile, and authorized_keys of spec.access.ssh.user; without "
    "identityFile the keys of the agent and ~/.ssh/id_* are tried"
)
_DEFAULT_KNOWN_HOSTS = "~/.ssh/known_hosts"
_OVERRULED: dict[str, Any] = {
    # Keys alone log in. A key exchange by GSSAPI would do without a host key.
    "preferred_auth": ["publickey"],
    "gss_host": None,
    # Authorities of ~/.ssh/ca-bundle.crt would be trusted beside the known hosts.
    "x509_trusted_certs": None,
    # The known kinds of host keys first, then all others: a key that became one of another kind is shown.
    "server_host_key_algs": "+ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
    "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256",
    # What a person's terminal wants. `SendEnv *` would send the variables that hold tunnels' keys.
    "env": None,
    "send_env": None,
    "request_pty": False,
    "command": None,
    "agent_forwarding": False,
    "x11_forwarding": False,
    # Seconds between signs of life; the connection is given up when the fourth is due: before a command is.
    "keepalive_interval": 4,
    "keepalive_count_max": 3,
}


@dataclass(frozen=True, slots=True)
class _Trust:
    """Host keys that are trusted, and the file to which another one would be added."""

    known: asyncssh.SSHKnownHosts
    where: str


class _Client(asyncssh.SSHClient):
    """Trusts no key beyond the known ones, and remembers which was offered instead."""

    def __init__(self, trust: _Trust, lost: Lost) -> None:
        self._known = trust.known
        self._lost = lost
        self.offered = ""
        self.expected = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Called for a key that is not known."""
        known = asyncssh.match_known_hosts(self._known, host, addr, None if port == 22 else port)[0]
        self.offered = _shown(key)
        self.expected = " or ".join(sorted({_shown(other) for other in known}))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called at the end of the connection."""
        self._lost(visible(str(exc or "closed")))


async def connect(
    router: str, access: SshAccess, lost: Lost, allowance: Allowance
) -> asyncssh.SSHClientConnection:
    """Connect and log in, within CONNECT_TIMEOUT and the allowance.

    Raises RouterUnreachable: no answer, a host key that is not trusted, no key of ours accepted, or a key
    or configuration on this machine that cannot be used.
    """
    try:
        options = _options(access)
        trust = _trust(access, options)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unusable(router, error) from error
    client = _Client(trust, lost)
    try:
        async with asyncio.timeout(min(CONNECT_TIMEOUT, allowance.left())):
            return await asyncssh.connect(
                **options, known_hosts=trust.known, client_factory=lambda: client, **_OVERRULED
            )
    except asyncssh.HostKeyNotVerifiable as error:
        message, hint = _distrust(access, client, trust, visible(error.reason))
    except asyncssh.PermissionDenied:
        message, hint = f"{access.host} accepts none of our keys", _NOT_ACCEPTED
    except (OSError, asyncssh.Error) as error:
        # Where no time is left, that is why.
        allowance.left()
        message, hint = _no_answer(access, error)
    except ValueError as error:
        # A configuration that holds only for the canonical name, or a jump host's.
        raise _unusable(router, error) from error
    raise RouterUnreachable(message, router=router, operation="connect", hint=hint)


def _options(access: SshAccess) -> dict[str, Any]:
    """What the desired state says; the rest is the user's configuration's."""
    options: dict[str, Any] = {"host": access.host}
    if access.port is not None:
        options["port"] = access.port
    if access.user is not None:
        options["username"] = access.user
    if access.identity_file:
        # As `IdentitiesOnly`: an agent full of other keys would use up the attempts that sshd allows.
        options |= {"client_keys": [str(_identity(access.identity_file))], "agent_path": None}
    return options


def _identity(path: str) -> Path:
    file = Path(path).expanduser()
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        raise ValueError(f"{file} may be read by others (mode {mode:04o}): chmod 600 it")
    return file


def _trust(access: SshAccess, options: dict[str, Any]) -> _Trust:
    inline = "spec.access.ssh.hostKey"
    if access.host_key:
        return _Trust(asyncssh.import_known_hosts(f"* {access.host_key}"), inline)
    configured = asyncssh.SSHClientConnectionOptions(**options, config=()).known_hosts
    if configured is None:
        # `UserKnownHostsFile none`: asyncssh would trust every host, where ssh trusts none.
        return _Trust(asyncssh.import_known_hosts(""), inline)
    names = configured if isinstance(configured, list) and configured else [_DEFAULT_KNOWN_HOSTS]
    files = [Path(str(name)).expanduser() for name in names]
    try:
        known = asyncssh.read_known_hosts([str(file) for file in files if file.exists()])
    except ValueError as error:
        raise ValueError(f"{', '.join(map(str, files))}: {error}") from error
    return _Trust(known, str(names[0]))


def _shown(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def _distrust(access: SshAccess, client: _Client, trust: _Trust, reason: str) -> tuple[str, str]:
    compare = "compare it with the router's own (there: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub)"
    if client.expected:
        return (
            f"the host key of {access.host} has changed: it is {client.offered},"
            f" trusted is {client.expected}",
            f"if the router was not reinstalled, this may be an attack: {compare} before you replace it "
            f"in {trust.where}",
        )
    if client.offered:
        return (
            f"the host key of {access.host} is not trusted: {client.offered}",
            f"{compare}, then put that key into {trust.where}",
        )
    return f"the host key of {access.host} is not trusted: {reason}", f"{trust.where} says so"


def _no_answer(access: SshAccess, error: Exception) -> tuple[str, str]:
    match error:
        case TimeoutError():
            reason, hint = (
                f"timed out after {CONNECT_TIMEOUT:.0f} s",
                "check that it is up and reachable from here",
            )
        case socket.gaierror():
            reason = error.strerror or str(error)
            hint = "spec.access.ssh.host must be a name, an address, or an alias of ~/.ssh/config"
        case ConnectionRefusedError():
            reason, hint = (
                "connection refused",
                "check that sshd runs there, on the port of spec.access.ssh.port",
            )
        case _:
            reason, hint = visible(str(error)), "check whether `ssh` reaches it"
    return f"{access.host} does not answer: {reason}", hint


def _unusable(router: str, error: Exception) -> RouterUnreachable:
    secret = "passphrase" in str(error).lower()
    return RouterUnreachable(
        f"the SSH keys or configuration of this machine cannot be used: {error}",
        router=router,
        operation="connect",
        hint="there is no passphrase prompt: add the key to ssh-agent, and leave out identityFile"
        if secret
        else "check spec.access.ssh.identityFile, ~/.ssh/config and the known hosts",
    )
