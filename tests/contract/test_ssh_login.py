"""Before a router is reached by SSH: whom we trust, who lets us in, and what stands in the way."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from lab.topology import Role
from reconciler.model.errors import CommandRejected, Locked, RouterUnreachable
from reconciler.model.fabric import SshAccess
from reconciler.routers import ssh_connect, ssh_router
from reconciler.routers.ssh_router import SshRouter
from tests.contract.sshd import AUTHORIZED, HOST_KEY, Sshd, replaced

pytestmark = pytest.mark.engine

KNOWN_HOSTS = "Host *\n  UserKnownHostsFile "


def refusal(access: SshAccess) -> RouterUnreachable:
    with pytest.raises(RouterUnreachable) as caught:
        SshRouter("paris", access).close()
    assert (caught.value.router, caught.value.operation) == ("paris", "connect")
    assert caught.value.hint
    return caught.value


def lets_in(access: SshAccess) -> bool:
    router = SshRouter("paris", access)
    daemon = router.vici.request("version")["daemon"]
    router.close()
    return bool(daemon == "charon-systemd")


def fingerprint(sshd: Sshd, path: str = HOST_KEY) -> str:
    return sshd.lab.run(Role.ROUTER, "paris", ["ssh-keygen", "-lf", path]).split()[1]


def public_key(sshd: Sshd, path: str = HOST_KEY) -> str:
    return sshd.lab.run(Role.ROUTER, "paris", ["ssh-keygen", "-yf", path]).strip()


def test_an_unknown_host_key_is_refused_and_shown(sshd: Sshd) -> None:
    with replaced(sshd.known_hosts, ""):
        error = refusal(sshd.access("paris"))
    assert "the host key of paris is not trusted" in error.message
    assert fingerprint(sshd) in error.message
    assert "known_hosts" in error.hint


def test_a_host_key_that_changed_is_refused_and_both_are_shown(sshd: Sshd) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    line = other.export_public_key().decode().strip()
    with replaced(sshd.known_hosts, f"paris {line}\n"):
        changed = refusal(sshd.access("paris"))
    inline = refusal(sshd.access("paris", host_key=line))
    for error in (changed, inline):
        assert "the host key of paris has changed" in error.message
        assert fingerprint(sshd) in error.message
        assert other.get_fingerprint() in error.message
    assert "known_hosts" in changed.hint
    assert "spec.access.ssh.hostKey" in inline.hint


def test_a_host_key_that_became_one_of_another_kind_is_shown_as_well(sshd: Sshd) -> None:
    path = "/etc/ssh/lab_ecdsa_key"
    sshd.put("paris", path, asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_private_key())
    sshd.configure("paris", HostKey=path)
    try:
        error = refusal(sshd.access("paris"))
    finally:
        sshd.configure("paris")
    assert "has changed: it is ecdsa-sha2-nistp256" in error.message
    assert fingerprint(sshd, path) in error.message
    assert fingerprint(sshd) in error.message


def test_a_trusted_key_is_chosen_among_several(sshd: Sshd) -> None:
    """sshd prefers others of its keys; the one that is known is asked for."""
    path = "/etc/ssh/lab_ecdsa_key"
    sshd.put("paris", path, asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_private_key())
    sshd.configure("paris", HostKey=f"{HOST_KEY}\nHostKey {path}")
    try:
        for known in (HOST_KEY, path):
            assert lets_in(sshd.access("paris", host_key=public_key(sshd, path=known)))
    finally:
        sshd.configure("paris")


@pytest.mark.parametrize("file", ["none", "/dev/null"])
def test_a_configuration_that_knows_no_hosts_trusts_no_host(sshd: Sshd, file: str) -> None:
    with replaced(sshd.config, sshd.config.read_text() + KNOWN_HOSTS + file + "\n"):
        assert fingerprint(sshd) in refusal(sshd.access("paris")).message
        assert lets_in(sshd.access("paris", host_key=public_key(sshd)))


def test_the_known_hosts_of_the_configuration_count(sshd: Sshd, tmp_path: Path) -> None:
    other = tmp_path / "hosts"
    other.write_text(f"paris {public_key(sshd)}\n")
    with (
        replaced(sshd.known_hosts, ""),
        replaced(sshd.config, f"{sshd.config.read_text()}{KNOWN_HOSTS}{other}\n"),
    ):
        assert lets_in(sshd.access("paris"))


def test_a_host_key_in_the_desired_state_needs_no_known_hosts(sshd: Sshd) -> None:
    with replaced(sshd.known_hosts, ""):
        assert lets_in(sshd.access("paris", host_key=public_key(sshd)))


def test_a_broken_file_of_this_machine_is_named(sshd: Sshd) -> None:
    with replaced(sshd.known_hosts, "gibberish\n"):
        assert str(sshd.known_hosts) in refusal(sshd.access("paris")).message
    with replaced(sshd.config, "Host paris\n  Port\n"):
        assert str(sshd.config) in refusal(sshd.access("paris")).message


def test_a_key_that_is_not_let_in_is_refused_without_a_question(sshd: Sshd, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(stranger)
    stranger.chmod(0o600)
    error = refusal(sshd.access("paris", identity=str(stranger)))
    assert "accepts none of our keys" in error.message
    assert "authorized_keys" in error.hint
    sshd.configure("paris", PasswordAuthentication="yes", PubkeyAuthentication="no")
    try:
        assert "accepts none of our keys" in refusal(sshd.access("paris")).message
    finally:
        sshd.configure("paris")


def test_a_key_file_that_cannot_be_used_says_why(sshd: Sshd, tmp_path: Path) -> None:
    assert "No such file" in refusal(sshd.access("paris", identity=str(tmp_path / "none"))).message
    loose = tmp_path / "loose"
    loose.write_bytes(sshd.identity.read_bytes())
    loose.chmod(0o640)
    assert "may be read by others (mode 0640)" in refusal(sshd.access("paris", identity=str(loose))).message
    closed = tmp_path / "closed"
    script = "cd $(mktemp -d) && ssh-keygen -q -t ed25519 -N 'a passphrase' -f key && cat key"
    closed.write_text(sshd.lab.run(Role.ROUTER, "paris", ["sh", "-c", script]))
    closed.chmod(0o600)
    assert "ssh-agent" in refusal(sshd.access("paris", identity=str(closed))).hint


def test_forwarding_that_is_forbidden_is_named(sshd: Sshd) -> None:
    sshd.configure("paris", AllowStreamLocalForwarding="no")
    try:
        error = refusal(sshd.access("paris"))
    finally:
        sshd.configure("paris")
    assert "does not forward to charon's VICI socket /run/charon/charon.vici" in error.message
    assert "AllowStreamLocalForwarding" in error.hint


def test_a_socket_that_is_not_there_is_distinguished_from_forwarding_that_is_forbidden(sshd: Sshd) -> None:
    error = refusal(replace(sshd.access("paris"), vici_socket="/run/no where.vici"))
    assert "has no VICI socket /run/no where.vici" in error.message
    assert "viciSocket" in error.hint


def test_the_least_that_sshd_must_allow(sshd: Sshd) -> None:
    """What docs/how-to/reach-a-router-by-ssh.md advises is enough, and without the forwarding it is not."""
    authorized = sshd.lab.run(Role.ROUTER, "paris", ["cat", AUTHORIZED])
    least = {
        "AllowTcpForwarding": "local",
        "AllowStreamLocalForwarding": "local",
        "AllowAgentForwarding": "no",
    }
    sshd.configure("paris", **least, X11Forwarding="no", PermitTTY="no")
    try:
        sshd.put("paris", AUTHORIZED, f"restrict,port-forwarding {authorized}".encode())
        assert lets_in(sshd.access("paris"))
        sshd.put("paris", AUTHORIZED, f"restrict {authorized}".encode())
        assert "`restrict`" in refusal(sshd.access("paris")).hint
        sshd.put("paris", AUTHORIZED, authorized.encode())
        sshd.configure("paris", **{**least, "AllowTcpForwarding": "no"})
        assert "`AllowTcpForwarding local`" in refusal(sshd.access("paris")).hint
    finally:
        sshd.put("paris", AUTHORIZED, authorized.encode())
        sshd.configure("paris")


def test_what_a_start_up_file_prints_is_not_taken_for_an_answer(sshd: Sshd) -> None:
    before = sshd.lab.exec(Role.ROUTER, "paris", ["cat", "/root/.bashrc"]).stdout
    try:
        sshd.put("paris", "/root/.bashrc", b"echo welcome; echo to paris >&2\n")
        router, other = (SshRouter("paris", sshd.access("paris")) for _ in range(2))
        assert router.host.snapshot([]).addresses
        router.host.lock("me@here:1", 60)
        with pytest.raises(Locked, match="me@here:1"):
            other.host.lock("you@there:2", 60)
        router.host.unlock("me@here:1")
        router.close()
        sshd.put("paris", "/root/.bashrc", b"echo closed for today; exit 0\n")
        with pytest.raises(CommandRejected, match="does not run our commands: closed for today") as caught:
            other.host.snapshot([])
        other.close()
        assert caught.value.hint
    finally:
        sshd.put("paris", "/root/.bashrc", before.encode())


def here(port: int, **how: str) -> SshAccess:
    return SshAccess("127.0.0.1", port, "root", how.get("identity", ""), how.get("host_key", ""), "/x")


@pytest.mark.usefixtures("sshd")
def test_a_closed_port_is_distinguished_from_a_silent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_connect, "CONNECT_TIMEOUT", 1)
    assert "127.0.0.1 does not answer: connection refused" in refusal(here(1)).message
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = refusal(here(silent.getsockname()[1]))
    assert "127.0.0.1 does not answer: timed out after 1 s" in error.message


class Reluctant(asyncssh.SSHServer):
    """Lets everybody in but one, whom it insults, and answers no request for a socket."""

    def begin_auth(self, username: str) -> bool:
        if username == "rude":
            raise asyncssh.DisconnectError(asyncssh.DISC_BY_APPLICATION, "\x1b]0;gotcha\x07 go away")
        return False

    def unix_connection_requested(self, dest_path: str) -> Any:
        del dest_path
        return asyncio.sleep(3600)


@pytest.fixture
def reluctant() -> Iterator[tuple[int, str]]:
    """Port and host key of a server that does not answer; it has a thread of its own."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begin() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(Reluctant, "127.0.0.1", 0, server_host_keys=[key])

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result()

    async def end() -> None:
        server.close()
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    yield server.get_port(), key.export_public_key().decode().strip()
    asyncio.run_coroutine_threadsafe(end(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.usefixtures("sshd")
def test_a_forwarding_that_is_never_answered_is_given_up(
    reluctant: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_router, "CONNECT_TIMEOUT", 1)
    port, host_key = reluctant
    assert "no answer within 1 s" in refusal(here(port, host_key=host_key)).message


@pytest.mark.usefixtures("sshd")
def test_what_a_stranger_says_does_not_drive_the_terminal(reluctant: tuple[int, str]) -> None:
    port, host_key = reluctant
    error = refusal(replace(here(port, host_key=host_key), user="rude"))
    assert "go away" in error.message
    assert error.message.isprintable()
