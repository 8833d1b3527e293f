"""Connections that are kept: for one user at a time, alive, and not too many."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import asyncssh
import pytest

from reconciler.model.errors import AnswerNotUnderstood, CommandRejected, RouterUnreachable, TunnelwrightError
from reconciler.routers.links import NONE_KEPT, Lease, Links
from reconciler.routers.ssh_router import SshLink, SshRouter
from tests import slow
from tests.nonsense import RESPONSE as REPLY
from tests.nonsense import Talk, listening, packet


class Known:
    """A link that knows what was done to it."""

    def __init__(self) -> None:
        self.lives = True
        self.closed = 0

    def alive(self) -> bool:
        return self.lives

    def close(self) -> None:
        self.lives = False
        self.closed += 1


def test_what_was_given_back_is_taken_once() -> None:
    links, link = Links(), Known()
    links.give("paris", link, 0)
    assert links.take("tokyo", Known) is None
    assert links.take("paris", SshLink) is None
    assert links.take("paris", Known) is link
    assert links.take("paris", Known) is None
    assert link.closed == 0


def test_the_last_one_that_is_alive_is_taken_and_the_dead_are_closed() -> None:
    links, first, dead = Links(), Known(), Known()
    links.give("paris", first, 0)
    links.give("paris", dead, 0)
    dead.lives = False
    assert links.take("paris", Known) is first
    assert (first.closed, dead.closed) == (0, 1)


def test_what_was_in_use_when_all_were_closed_is_not_taken_again() -> None:
    """Who clears them proves something over a new connection; another user gives one back after that."""
    links, link = Links(), Known()
    lease = Lease(links, "paris", link)
    links.clear()
    lease.end()
    assert link.closed == 1
    assert links.take("paris", Known) is None


def test_no_more_than_so_many_are_kept() -> None:
    links, all_of_them = Links(2), [Known() for _ in range(3)]
    for number, link in enumerate(all_of_them):
        links.give(number, link, 0)
    assert [link.closed for link in all_of_them] == [1, 0, 0]
    one = Known()
    NONE_KEPT.give("paris", one, 0)
    assert (one.closed, NONE_KEPT.take("paris", Known)) == (1, None)


def test_all_are_closed_in_the_end_whichever_adapter_gave_them() -> None:
    given: list[Known] = []
    with Links(10_000) as links:

        def use() -> None:
            for number in range(200):
                link = links.take(number % 5, Known) or Known()
                given.append(link)
                links.give(number % 5, link, 0)

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not any(link.closed for link in given)
    assert {link.closed for link in given} == {1}


def test_a_lease_gives_its_link_back_once() -> None:
    links, link = Links(), Known()
    lease = Lease(links, "paris", link)
    with lease.working():
        assert links.take("paris", Known) is None
    lease.end()
    lease.end()
    assert [links.take("paris", Known) for _ in range(2)] == [link, None]
    assert link.closed == 0


@pytest.mark.parametrize(
    "error", [RouterUnreachable("gone"), CommandRejected("no"), AnswerNotUnderstood("x", where="y")]
)
def test_a_link_whose_work_failed_is_not_used_again(error: TunnelwrightError) -> None:
    links, link = Links(), Known()
    lease = Lease(links, "paris", link)
    with pytest.raises(type(error)), lease.working():
        raise error
    with lease.working():
        pass
    assert link.closed == 0, "its user has it still"
    lease.end()
    assert (link.closed, links.take("paris", Known)) == (1, None)


def test_a_link_that_has_ended_is_not_given_back() -> None:
    links, link = Links(), Known()
    lease = Lease(links, "paris", link)
    link.lives = False
    lease.end()
    assert (link.closed, links.take("paris", Known)) == (1, None)


@pytest.mark.parametrize("error", [RouterUnreachable("no charon"), KeyboardInterrupt()])
def test_a_link_that_leads_nowhere_is_closed_at_once(error: BaseException) -> None:
    links, link = Links(), Known()
    lease = Lease(links, "paris", link)
    with pytest.raises(type(error)), lease.opening():
        raise error
    lease.end()
    assert (link.closed, links.take("paris", Known)) == (1, None)


def _version(talk: Talk) -> None:
    talk.say(packet(REPLY))


async def _done(process: asyncssh.SSHServerProcess[bytes]) -> None:
    command = process.command or ""
    if "die" in command:
        process.channel.get_connection().abort()
        return
    process.stdout.write(b"--tunnelwright-begins--\n")
    process.exit(0)


@pytest.mark.usefixtures("home")
def test_a_router_is_logged_in_to_once(tmp_path: Path) -> None:
    with (
        slow.sshd(tmp_path, _done) as access,
        listening(tmp_path / "charon.vici", _version) as charon,
        Links() as links,
    ):
        used = []
        for _ in range(3):
            router = SshRouter("paris", access, links)
            router.vici.request("version")
            router.host.set_sysctls({})
            used.append(router._lease.link)
            router.close()
            router.close()
        assert len(set(map(id, used))) == 1
        # Each had a session of its own with charon, and each has ended.
        assert len(charon.talks) == 3
        first, second = (SshRouter("paris", access, links) for _ in range(2))
        assert first._lease.link is used[0]
        assert second._lease.link is not used[0], "the user of a connection has it alone"
        first.close()
        second.close()


@pytest.mark.usefixtures("home")
def test_a_connection_that_broke_is_not_used_again(tmp_path: Path) -> None:
    with (
        slow.sshd(tmp_path, _done) as access,
        listening(tmp_path / "charon.vici", _version),
        Links() as links,
    ):
        router = SshRouter("paris", access, links)
        broken = router._lease.link
        with pytest.raises(RouterUnreachable, match="broke"):
            router.host.set_aside("die")
        router.close()
        with pytest.raises(RouterUnreachable, match="the connection is closed"):
            router.host.set_sysctls({})
        again = SshRouter("paris", access, links)
        assert again._lease.link is not broken
        again.close()


@pytest.mark.usefixtures("home")
def test_one_that_turns_out_to_have_ended_when_it_is_needed_is_replaced(tmp_path: Path) -> None:
    with (
        slow.sshd(tmp_path, _done) as access,
        listening(tmp_path / "charon.vici", _version),
        Links() as links,
    ):
        router = SshRouter("paris", access, links)
        router.close()
        connection = router._lease.link.connection
        assert connection is not None

        async def lose() -> None:
            connection.abort()

        # What the thread of all connections does before it is asked to use this one again.
        asyncio.run_coroutine_threadsafe(lose(), connection._loop)
        again = SshRouter("paris", access, links)
        again.vici.request("version")
        assert again._lease.link is not router._lease.link
        again.close()
