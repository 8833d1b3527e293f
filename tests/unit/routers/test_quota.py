"""What one router may take in all: each answer stays below its own limit, and all of them together do not."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from lab.engine import until
from reconciler.model import bounds
from reconciler.model.errors import RouterUnreachable
from reconciler.model.fabric import SshAccess
from reconciler.observe.state import observe, within_one_observation
from reconciler.routers import allowance as module
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.routers.quota import Quota, in_force, within
from reconciler.routers.scripts import MARK
from reconciler.routers.ssh_router import SshRouter
from reconciler.routers.unix_vici import UnixVici
from tests import nonsense, slow
from tests.memory import MemoryRouter, Network
from tests.nonsense import Answer, Talk, beside, listening, packet, value
from tests.slow import Clock, Command, held

LIMITS = Limits(20.0, bounds.MIB)
BEGINS = b"--tunnelwright-begins--\n"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "monotonic", found)
    return found


def ask(
    clock: Clock, seconds: float, *quotas: Quota, limits: Limits = LIMITS, operation: str = "ask"
) -> None:
    """One answer that takes so long, or until it is given up."""
    with Allowance(limits, "paris", operation, quotas=quotas) as allowance:
        clock.now += min(seconds, allowance.left())
        allowance.left()


def test_answers_below_their_own_limit_are_given_up_together(clock: Clock) -> None:
    quota = Quota(50.0, "one look")
    ask(clock, 19.0, quota)
    ask(clock, 19.0, quota)
    with pytest.raises(RouterUnreachable) as caught:
        ask(clock, 19.0, quota, operation="list-sas")
    assert clock.now == 50.0
    assert caught.value.message == (
        "all its answers together take longer than 50 s, the limit for one look;"
        " the last one is to list-sas (nothing came)"
    )
    with pytest.raises(RouterUnreachable, match="than 50 s,"):
        ask(clock, 0.0, quota)
    with pytest.raises(RouterUnreachable, match="than 50 s,"):
        ask(clock, 0.0, quota, limits=Limits(40.0, bounds.MIB, own=20.0))
    assert clock.now == 50.0, "nothing is asked any more"


def test_an_answer_over_its_own_limit_says_so(clock: Clock) -> None:
    with pytest.raises(RouterUnreachable, match="no complete answer to ask within 20 s"):
        ask(clock, 21.0, Quota(50.0, "one look"))


def test_what_moves_buys_no_more_than_there_is_in_all(clock: Clock) -> None:
    with (
        pytest.raises(RouterUnreachable, match=r"30 s, the limit for one look; .* \(524,288 bytes came\)"),
        Allowance(LIMITS, "paris", "observe", quotas=(Quota(30.0, "one look"),)) as allowance,
    ):
        while True:
            clock.now += 1.0
            allowance.took(64 * bounds.KIB if clock.now <= 8 else 0)
            allowance.left()
    assert clock.now == 30.0


def test_what_a_command_was_asked_to_take_and_what_its_caller_takes_is_not_counted(clock: Clock) -> None:
    quota = Quota(50.0, "one apply")
    for _ in range(20):
        ask(clock, 11.0, quota, limits=Limits(25.0, bounds.MIB, own=10.0))
    assert quota.left() == 30.0
    with Allowance(LIMITS, "paris", "list-conns", quotas=(quota,)) as allowance:
        clock.now += 100.0
        allowance.forgive(100.0)
        clock.now += 1.0
    assert quota.left() == 29.0


def test_of_two_quotas_the_one_that_ends_first_is_named(clock: Clock) -> None:
    apply, look = Quota(30.0, "one apply"), Quota(20.0, "one look")
    ask(clock, 15.0, apply)
    with pytest.raises(RouterUnreachable, match="30 s, the limit for one apply"):
        ask(clock, 16.0, apply, look)
    assert look.left() == 5.0


def test_a_quota_is_that_of_one_router_over_all_connections() -> None:
    found: list[tuple[Quota, ...]] = []

    def connect(name: str) -> Router:
        found.append(in_force())
        return MemoryRouter(name, Network())

    applying = within(connect, len, "one apply")
    looking = within(applying, lambda _: 3.0, "one look")
    for name in ("paris", "oslo", "paris"):
        looking(name)
    applying("paris")
    assert in_force() == ()
    paris, oslo, again, without_look = found
    assert [(quota.what, quota.seconds) for quota in paris] == [("one look", 3.0), ("one apply", 5.0)]
    assert all(one is other for one, other in zip(paris, again, strict=True))
    assert not any(one is other for one, other in zip(paris, oslo, strict=True))
    assert without_look == paris[1:]


# From here on it is real time: of the quota there is little, and of all other limits more than enough.


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ROUTER_OBSERVATION_SECONDS_IN_ALL", 1.0)
    monkeypatch.setattr(bounds, "ROUTER_OBSERVATION_SECONDS", 90.0)
    monkeypatch.setattr(bounds, "VICI_SECONDS", 90.0)


def _true(talk: Talk) -> None:
    """An answer that satisfies every question of a look."""
    plugins = nonsense.LIST + nonsense.name(b"plugins") + nonsense.LIST_END
    talk.say(packet(nonsense.RESPONSE, value(b"version", b"6.0.1") + plugins))


def _after(pause: float) -> Answer:
    def answer(talk: Talk) -> None:
        if not talk.over.wait(pause):
            _true(talk)

    return answer


SLOW: dict[str, Answer] = {
    "silence": lambda _: None,
    "a stream whose messages come one by one": lambda talk: talk.drip(nonsense.CONN, 0.01),
    "an answer now and then": _after(0.3),
}


@pytest.mark.parametrize("kind", SLOW)
@pytest.mark.usefixtures("short")
def test_a_slow_charon_is_given_up(kind: str) -> None:
    made: list[UnixVici] = []

    def connect(name: str) -> Router:
        made.append(UnixVici(name, near))
        return MemoryRouter(name, Network())

    with beside(SLOW[kind]) as (_, near):
        within_one_observation(Fleet(connect)).connect("paris")
        with (
            closing(made[0]) as vici,
            pytest.raises(RouterUnreachable, match="1 s, the limit for one observation"),
        ):
            for _ in range(20):
                list(vici.stream("list-conns", "list-conn"))


async def _hang(_: asyncssh.SSHServerProcess[bytes]) -> None:
    await asyncio.Event().wait()


async def _dribble(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(BEGINS)
    while True:
        process.stdout.write(b"x")
        await asyncio.sleep(0.1)


async def _archive(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """As fast as a slow line, and without end."""
    process.stdout.write(BEGINS + f"{MARK}\n".encode() * 4)
    while True:
        process.stdout.write(bytes(bounds.ROUTER_BYTES_PER_SECOND // 10))
        await asyncio.sleep(0.1)


COMMANDS: dict[str, Command] = {"silence": _hang, "a byte now and then": _dribble, "a slow archive": _archive}


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.usefixtures("short", "home")
def test_a_slow_host_is_given_up_and_delays_no_other(kind: str, tmp_path: Path) -> None:
    with (
        slow.sshd(tmp_path, COMMANDS[kind]) as access,
        listening(tmp_path / "charon.vici", _true),
    ):

        def connect(name: str) -> Router:
            return SshRouter(name, access) if name == "paris" else MemoryRouter(name, Network())

        found = observe(Fleet(connect), {"paris": (), "tokyo": ()})
    assert set(found.states) == {"tokyo"}
    error = found.failures["paris"]
    assert isinstance(error, RouterUnreachable)
    assert "1 s, the limit for one observation" in error.message


def _proxied(access: SshAccess, home: Path, command: str) -> SshAccess:
    (home / ".ssh" / "config").write_text(f"Host paris\n  ProxyCommand {command}\n")
    return replace(access, host="paris")


@pytest.mark.usefixtures("short")
def test_a_login_that_does_not_come_about_is_part_of_the_look(home: Path, tmp_path: Path) -> None:
    with slow.sshd(tmp_path, _hang) as access:
        proxied = _proxied(access, home, "/bin/sleep 60")
        error = observe(Fleet(lambda name: SshRouter(name, proxied)), {"paris": ()}).failures["paris"]
    assert "1 s, the limit for one observation; the last one is to connect" in error.message


@pytest.mark.parametrize("where", ["login", "charon", "command"])
def test_fifty_looks_at_a_router_that_hangs_leave_nothing_behind(
    where: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = (lambda _: None) if where == "charon" else _true
    with slow.sshd(tmp_path, _hang) as access, listening(tmp_path / "charon.vici", answer):
        reached = _proxied(access, home, "/bin/sleep 60") if where == "login" else access

        def look() -> str:
            return (
                observe(Fleet(lambda name: SshRouter(name, reached)), {"paris": ()}).failures["paris"].message
            )

        # The first one loads modules, and starts the thread of all connections.
        SshRouter("paris", access).close()
        before = held()
        monkeypatch.setattr(bounds, "ROUTER_OBSERVATION_SECONDS_IN_ALL", 0.2)
        for _ in range(50):
            assert "the limit for one observation" in look()
        assert until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)), 60), (
            held(),
            before,
        )
