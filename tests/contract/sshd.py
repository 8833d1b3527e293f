"""sshd in a lab's routers, and a home directory whose OpenSSH configuration leads there.

A lab's routers have no network in common with this machine, so sshd speaks through the engine: a
ProxyCommand starts it for one connection. Host and client keys are made here and live as long as the lab.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from lab.session import Lab
from lab.topology import Role
from reconciler.model.fabric import SshAccess
from reconciler.routers.docker_exec import run_in_container
from reconciler.routers.docker_router import LAB_SOCKET

HOST_KEY, AUTHORIZED, CONFIG = "/etc/ssh/lab_host_key", "/etc/ssh/lab_authorized_keys", "/etc/ssh/lab_config"


@dataclass(frozen=True, slots=True)
class Sshd:
    """The sshds of one lab, and the home directory of who may log in."""

    lab: Lab
    home: Path

    @property
    def identity(self) -> Path:
        """The private key that is let in."""
        return self.home / ".ssh" / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The host keys that are trusted."""
        return self.home / ".ssh" / "known_hosts"

    @property
    def config(self) -> Path:
        """The OpenSSH configuration of this machine's user."""
        return self.home / ".ssh" / "config"

    def access(self, router: str, *, host_key: str = "", identity: str = "") -> SshAccess:
        """How a router is reached: by its name, which is an alias in the home's configuration."""
        return SshAccess(router, None, "root", identity, host_key, LAB_SOCKET)

    def put(self, router: str, path: str, content: bytes) -> None:
        """Write a file on a router, for root alone."""
        with self.lab.engine.connect() as client:
            container = self.lab.container(Role.ROUTER, router)
            command = ["sh", "-c", f"umask 077; cat > {path}"]
            assert run_in_container(client, container, command, content).status == 0

    def configure(self, router: str, **settings: str) -> None:
        """sshd_config of a router; what is given replaces the defaults."""
        defaults = {
            "HostKey": HOST_KEY,
            "AuthorizedKeysFile": AUTHORIZED,
            "StrictModes": "yes",
            "PermitRootLogin": "prohibit-password",
            "PasswordAuthentication": "no",
            "AllowStreamLocalForwarding": "yes",
        }
        text = "".join(f"{key} {value}\n" for key, value in {**defaults, **settings}.items())
        self.put(router, CONFIG, text.encode())


@contextlib.contextmanager
def replaced(file: Path, text: str) -> Iterator[None]:
    """The file with another text for a while."""
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


def set_up(lab: Lab, home: Path) -> Sshd:
    """Keys, configuration and trust, for every router of a lab."""
    sshd = Sshd(lab, home)
    sshd.identity.parent.mkdir(mode=0o700)
    ours = asyncssh.generate_private_key("ssh-ed25519")
    ours.write_private_key(sshd.identity)
    sshd.identity.chmod(0o600)
    known, hosts = "", ""
    for node in lab.routers:
        theirs = asyncssh.generate_private_key("ssh-ed25519")
        sshd.put(node.name, HOST_KEY, theirs.export_private_key())
        sshd.put(node.name, AUTHORIZED, ours.export_public_key())
        sshd.configure(node.name)
        known += f"{node.name} {theirs.export_public_key().decode()}"
        container = lab.container(Role.ROUTER, node.name)
        command = f"docker -H {lab.engine.url} exec -i {container} /usr/sbin/sshd -i -f {CONFIG}"
        hosts += f"Host {node.name}\n  ProxyCommand {command}\n"
    sshd.known_hosts.write_text(known)
    sshd.config.write_text(hosts)
    return sshd
