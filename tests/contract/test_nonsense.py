"""A router that answers nonsense costs itself alone: over Docker and over SSH, like any other router.

Its tools are replaced by scripts, and its charon by a server that sends what no charon sends.
"""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from lab.engine import until
from lab.session import Lab
from lab.topology import Role
from reconciler.model import bounds
from reconciler.model.errors import AnswerNotUnderstood, CommandRejected, RouterUnreachable, TunnelwrightError
from reconciler.model.fabric import DockerAccess
from reconciler.model.secret import Secret
from reconciler.observe.state import observe
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Host, Router
from reconciler.routers.ssh_router import SshRouter
from tests.contract.sshd import Sshd
from tests.fabrics import two_routers
from tests.nonsense import NONSENSE, STREAMED, Charon, listening

pytestmark = pytest.mark.engine

TOOLS = "/usr/local/sbin"
SOCKET = "nonsense.vici"
KEY = b"correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Hostile:
    """paris of the lab, with other tools or another charon."""

    lab: Lab
    sshd: Sshd | None

    def connect(self, socket: str = "charon.vici") -> Router:
        """Reach it; its charon listens under this name."""
        path = f"/run/charon/{socket}"
        if self.sshd is not None:
            return SshRouter("paris", replace(self.sshd.access("paris"), vici_socket=path))
        desired = two_routers().routers["paris"]
        container = self.lab.container(Role.ROUTER, "paris")
        return DockerRouter(replace(desired, access=DockerAccess(container, path)))

    @contextlib.contextmanager
    def tool(self, name: str, script: str) -> Iterator[None]:
        """Another tool of this name, before the router's own."""
        path = f"{TOOLS}/{name}"
        self._run(f"printf '%s\n' '#!/bin/bash' \"$1\" > {path}; chmod 755 {path}", script)
        try:
            yield
        finally:
            self._run(f"rm {path}")

    @contextlib.contextmanager
    def charon(self, kind: str) -> Iterator[tuple[Charon, Router]]:
        """Another charon, and the router with it."""
        known = STREAMED | NONSENSE
        with listening(self.lab.places.run("paris") / SOCKET, known[kind].answer) as charon:
            router = self.connect(SOCKET)
            try:
                yield charon, router
            finally:
                router.close()

    def said(self, script: str) -> str:
        """What a script says there."""
        return self.lab.exec(Role.ROUTER, "paris", ["/bin/sh", "-c", script]).stdout

    def _run(self, script: str, *arguments: str) -> None:
        self.lab.run(Role.ROUTER, "paris", ["/bin/sh", "-c", script, "sh", *arguments])


@pytest.fixture(params=["docker", "ssh"])
def hostile(request: pytest.FixtureRequest, contract_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Hostile:
    """Bounds of size are met soon."""
    monkeypatch.setattr(bounds, "ROUTER_OBSERVATION_BYTES", bounds.MIB)
    monkeypatch.setattr(bounds, "VICI_BYTES", bounds.MIB)
    monkeypatch.setattr(bounds, "VICI_ANSWER_ELEMENTS", 50_000)
    return Hostile(contract_lab, request.getfixturevalue("sshd") if request.param == "ssh" else None)


@contextlib.contextmanager
def _hasty(error: type[TunnelwrightError]) -> Iterator[None]:
    """Where it is a matter of time, little of it is needed."""
    with pytest.MonkeyPatch.context() as patch:
        if error is RouterUnreachable:
            patch.setattr(bounds, "ROUTER_OBSERVATION_SECONDS", 3.0)
            patch.setattr(bounds, "VICI_SECONDS", 2.0)
        yield


SPARSE = """\
cd "$(mktemp -d)"; truncate -s 6G tw-sparse.conf
exec /usr/bin/tar --create --sparse --file=- tw-sparse.conf
"""
ANSWERS: dict[str, tuple[str, str, type[TunnelwrightError], str]] = {
    "endless output": ("ip", "exec yes", AnswerNotUnderstood, "output of `observe`: more than 1 MiB"),
    "endless errors": ("ip", "exec yes >&2", AnswerNotUnderstood, "output of `observe`: more than 1 MiB"),
    "a byte now and then": (
        "ip",
        "while printf x; do sleep 0.5; done",
        RouterUnreachable,
        "no complete answer",
    ),
    "silence": ("ip", "exec sleep 60", RouterUnreachable, r"no complete answer to observe within 3 s"),
    "no status": ("timeout", "kill -KILL $$", CommandRejected, "exit status|Killed"),
    "no JSON": ("ip", "echo hello", AnswerNotUnderstood, "addresses: it is not JSON"),
    "bytes": ("ip", "head -c 1000 /dev/urandom", AnswerNotUnderstood, "addresses: it is not JSON"),
    "no marks": ("env", "echo hello", AnswerNotUnderstood, "output: 1 part of 11"),
    "no tool": ("tar", "exit 127", CommandRejected, "exit status 127"),
    "a sparse archive": ("tar", SPARSE, AnswerNotUnderstood, "files: 'tw-sparse.conf' is not a regular file"),
    "a compressed archive": (
        "tar",
        "head -c 50000000 /dev/zero | gzip",
        AnswerNotUnderstood,
        "files: no header",
    ),
    "escapes": ("nft", r"printf '\033[2J::error::\r\n' >&2; exit 1", CommandRejected, "::error::"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_nonsensical_answer_is_an_error_of_that_router(hostile: Hostile, kind: str) -> None:
    tool, script, error, words = ANSWERS[kind]
    router = hostile.connect()
    with hostile.tool(tool, script), contextlib.closing(router), _hasty(error):
        tracemalloc.start()
        try:
            with pytest.raises(error, match=words) as caught:
                router.host.snapshot(["net/ipv4/ip_forward"])
            assert tracemalloc.get_traced_memory()[1] < 24 * bounds.MIB
        finally:
            tracemalloc.stop()
        assert (caught.value.router, caught.value.operation) == ("paris", "observe")
    with contextlib.closing(hostile.connect()) as router:
        assert router.host.snapshot(["net/ipv4/ip_forward"]).addresses


def test_an_nftables_listing_is_handed_on_as_text(hostile: Hostile) -> None:
    with (
        hostile.tool("nft", r"printf '{\"nftables\": 5}\377'"),
        contextlib.closing(hostile.connect()) as router,
    ):
        assert router.host.snapshot([]).firewall == '{"nftables": 5}\N{REPLACEMENT CHARACTER}'


def test_a_key_that_tar_echoes_stays_nowhere(hostile: Hostile) -> None:
    echo = "base64 >&2; echo 'tar: Cannot write: No space left on device' >&2; exit 2"
    with hostile.tool("tar", echo), contextlib.closing(hostile.connect()) as router:
        with pytest.raises(CommandRejected) as caught:
            router.host.write_files({"tw-nonsense.conf": Secret(KEY)})
        assert caught.value.message.startswith("No space left on device (")
        assert len(caught.value.message) < 120
    assert hostile.said("ls -A /etc/swanctl/conf.d | grep -c tunnelwright").strip() == "0"


def test_a_command_that_is_given_up_ends_on_the_router_too(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "ROUTER_OBSERVATION_SECONDS", 1.0)
    monkeypatch.setattr(bounds, "ROUTER_LONGEST_SECONDS", 2.0)
    with hostile.tool("ip", "exec sleep 4711"), contextlib.closing(hostile.connect()) as router:
        with pytest.raises(RouterUnreachable):
            router.host.snapshot([])
        assert until(lambda: not hostile.said("pgrep -f '^sleep 4711'"), 15)


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_nonsensical_charon_is_an_error_of_that_router(hostile: Hostile, kind: str) -> None:
    with hostile.charon(kind) as (charon, router), _hasty(NONSENSE[kind].error):
        with pytest.raises(NONSENSE[kind].error, match=NONSENSE[kind].words) as caught:
            router.vici.request("version")
        assert caught.value.router == "paris"
        # What lies in the buffers between here and there is sent as well.
        assert charon.sent < 16 * bounds.MIB


@pytest.mark.parametrize("kind", ["events without end", "empty events without end", "events now and then"])
def test_a_nonsensical_stream_is_an_error_of_that_router(hostile: Hostile, kind: str) -> None:
    with hostile.charon(kind) as (charon, router), _hasty(STREAMED[kind].error):
        with pytest.raises(STREAMED[kind].error, match=STREAMED[kind].words) as caught:
            list(router.vici.stream("list-conns", "list-conn"))
        assert caught.value.router == "paris"
        assert charon.sent < 16 * bounds.MIB


def test_one_router_that_answers_nonsense_costs_itself_alone(hostile: Hostile) -> None:
    fabric = two_routers()

    def connect(name: str) -> Router:
        return hostile.connect() if name == "paris" else DockerRouter(fabric.routers[name], hostile.lab.name)

    with hostile.tool("ip", "exec yes"):
        found = observe(Fleet(connect), {"paris": (), "tokyo": ()})
    assert set(found.states) == {"tokyo"}
    assert isinstance(found.failures["paris"], AnswerNotUnderstood)


LOCK = "/run/tunnelwright.lock"
SOON = "$(($(cut -d. -f1 /proc/uptime) + 60))"
NOBODYS: dict[str, str] = {
    "a lease of three years": f"echo x 99999999 > {LOCK}",
    "a word": f"echo x > {LOCK}",
    "an octal number": f"echo x 0999 > {LOCK}",
    "a number of 5,000 digits": f"printf 'x %5000s' | tr ' ' 9 > {LOCK}",
    "bytes": f"head -c 5000 /dev/urandom > {LOCK}",
    "2 GB": f"truncate -s 2G {LOCK}",
    "a link to nowhere": f"ln -s /nowhere/at/all {LOCK}",
    "a link to another file": f"echo you@there:1 {SOON} > /run/other; ln -s /run/other {LOCK}",
    "a pipe": f"mkfifo {LOCK}",
}


@pytest.mark.parametrize("kind", NOBODYS)
def test_a_lock_that_is_none_of_ours_holds_up_no_apply(hostile: Hostile, kind: str) -> None:
    hostile.said(f"rm -rf {LOCK}; {NOBODYS[kind]}")
    with contextlib.closing(hostile.connect()) as router:
        _is_held_and_given_back(hostile, router.host)
    hostile.said("rm -f /run/other")


def test_a_lock_is_held_for_no_longer_than_any_lock_can(hostile: Hostile) -> None:
    with contextlib.closing(hostile.connect()) as router:
        router.host.lock("me@here:1", 10**9)
        until_then, now = hostile.said(f"cut -d' ' -f2 {LOCK}; cut -d. -f1 /proc/uptime").split()
        assert 0 < int(until_then) - int(now) <= bounds.LEASE_SECONDS
        _is_held_and_given_back(hostile, router.host)


def _is_held_and_given_back(hostile: Hostile, host: Host) -> None:
    host.lock("me@here:1", 60)
    with pytest.raises(TunnelwrightError, match="me@here:1 is changing this router"):
        host.lock("you@there:2", 60)
    host.unlock("me@here:1")
    assert hostile.said(f"ls {LOCK}* 2>/dev/null") == ""


CANNOT = {
    "a folder where the lock should be": (f"mkdir {LOCK}", "is a directory: remove it"),
    "a folder where its guard should be": (
        "rm -f /run/tunnelwright.guard; mkdir /run/tunnelwright.guard",
        "directory",
    ),
    "a guard that is kept by hand": (
        "flock /run/tunnelwright.guard sleep 4712 > /dev/null 2>&1 &",
        "another command holds /run/tunnelwright.guard",
    ),
}


@pytest.mark.parametrize("kind", CANNOT)
def test_a_router_on_which_no_lock_can_be_taken_says_why(hostile: Hostile, kind: str) -> None:
    make, words = CANNOT[kind]
    hostile.said(f"rm -rf {LOCK}; {make}")
    try:
        with (
            contextlib.closing(hostile.connect()) as router,
            pytest.raises(TunnelwrightError, match=words) as caught,
        ):
            router.host.lock("me@here:1", 60)
        assert (caught.value.router, caught.value.operation) == ("paris", "lock")
    finally:
        hostile.said(f"pkill -f '^sleep 4712'; rmdir {LOCK} /run/tunnelwright.guard")


def test_a_router_without_flock_says_so(hostile: Hostile) -> None:
    with contextlib.closing(hostile.connect()) as router:
        hostile.said("mv /usr/bin/flock /usr/bin/flock.away")
        try:
            with pytest.raises(CommandRejected, match="flock: not found"):
                router.host.lock("me@here:1", 60)
        finally:
            hostile.said("mv /usr/bin/flock.away /usr/bin/flock")


STREAMS = "pgrep -c '^ping$'; ls /run/tunnelwright-stream-* 2>/dev/null | wc -l"


def _streams(hostile: Hostile) -> list[int]:
    return [int(word) for word in hostile.said(STREAMS).split()]


def _taken_over(host: Host) -> None:
    host.unlock("me@here:1")
    host.lock("you@there:2", 60)


LOSE: dict[str, Callable[[Host], None]] = {
    "given back": lambda host: host.unlock("me@here:1"),
    "expired": lambda host: host.lock("me@here:1", 1),
    "taken over": _taken_over,
}


@pytest.mark.parametrize("how", LOSE)
def test_a_stream_does_not_outlive_the_lock_of_who_started_it(hostile: Hostile, how: str) -> None:
    """A run that was killed measures no further, and the next attempt finds a quiet router."""
    with contextlib.closing(hostile.connect()) as router:
        router.host.lock("me@here:1", 60)
        for _ in range(3):
            router.host.start_stream("10.1.0.1", "10.1.0.1", 0.02, 300)
        router.host.lock("me@here:1", 60)
        assert not until(lambda: _streams(hostile) != [3, 3], 5), "renewed, they go on"
        LOSE[how](router.host)
        assert until(lambda: _streams(hostile) == [0, 0], 10)
        router.host.unlock("you@there:2")
