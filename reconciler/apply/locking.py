"""One run at a time: a lock on each router itself, with an owner and an expiry.

The lock lies on the router because that is what two controllers have in common. A run that lives renews
it. One that was killed delays no other one on its own machine, where it can be seen that it has gone, and
others until the lock expires.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from reconciler.doors.identity import user_name
from reconciler.model.bounds import LOCK_LEASE
from reconciler.model.errors import Locked, LockUnavailable, RouterUnreachable, TunnelwrightError, Unforeseen
from reconciler.model.isolation import attempt
from reconciler.routers.fleet import Fleet, Sessions, reach
from reconciler.routers.protocol import Router

_POLL = 0.5


def owner_name() -> str:
    """The identity of this process, for readers of its lock: `user@host:pid/start.namespace.boot`."""
    return f"{user_name()}:{os.getpid()}/{_start(os.getpid())}.{_space()}".replace(" ", "_")


def _space() -> str:
    """Where this process' number means something: one namespace of one start of one machine. Host names are
    no proof, since containers may share them."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{Path('/proc/self/ns/pid').stat().st_ino}.{boot}"
    except OSError:
        return ""


def _start(process: int) -> str:
    """When a process began, in clock ticks since the machine did; empty when there is none (proc(5))."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _has_gone(owner: str) -> bool:
    """True when the owner was a process that could be seen from here, and is not there any more."""
    who, _, mark = owner.partition("/")
    start, _, space = mark.partition(".")
    process = who.rpartition(":")[2]
    return (
        bool(space)
        and space == _space()
        and process.isascii()
        and process.isdigit()
        and _start(int(process)) != start
    )


@contextlib.contextmanager
def locked(
    fleet: Fleet,
    routers: Iterable[str],
    timeout: float,
    *,
    lease: int = LOCK_LEASE,
    moved: Callable[[], None] = lambda: None,
    lost: MutableMapping[str, TunnelwrightError] | None = None,
) -> Iterator[Mapping[str, TunnelwrightError]]:
    """Hold the lock of every router where it can be taken; the others, each with the reason: it does not
    answer, it has no way to lock, or another run holds it still after `timeout` seconds (Locked). Those
    must not be changed. `moved` is called after each lock that was asked for. When another run has taken a
    lock since, because this process stood still for longer than the lease, `lost` gets the router.

    One whose lock could not be renewed, for want of a thread, is left out as well. Every lock that was taken
    is given back in the end.

    Routers are reached side by side, and so are their locks taken (`_Locks.take`). Each lock is renewed in a
    thread of its own: a router that is slow to answer costs no other one its lock.
    """
    owner = owner_name()
    deadline = time.monotonic() + timeout
    done = threading.Event()
    noted = {} if lost is None else lost
    with fleet.kept() as sessions:
        reached = sessions.each(sorted(routers), reach)
        refused = {name: found for name, found in reached.items() if isinstance(found, TunnelwrightError)}
        locks = _Locks(sessions, owner, lease, deadline, moved)
        renewals: list[threading.Thread] = []
        try:
            for name, error in locks.take([name for name in reached if name not in refused]):
                if error is None:
                    renewal = threading.Thread(
                        target=partial(_renew, lost=noted),
                        args=(sessions, name, owner, lease, done),
                        daemon=True,
                    )
                    error = attempt("thread", f"lock of {name}", renewal.start)  # noqa: PLW2901 - its own
                    if error is None:
                        renewals.append(renewal)
                if error is not None:
                    refused[name] = _refusal(error)
            yield refused
        finally:
            done.set()
            for renewal in renewals:
                renewal.join()
            locks.give_back(sorted(locks.held))


@dataclass(slots=True)
class _Locks:
    """Locks that are asked for at some routers."""

    sessions: Sessions
    owner: str
    lease: int
    deadline: float
    """Until when a lock is waited for, by `time.monotonic`."""
    moved: Callable[[], None]
    held: set[str] = field(default_factory=set)
    """Routers whose lock may be taken, and is to be given back."""

    def take(self, names: list[str]) -> Iterator[tuple[str, TunnelwrightError | None]]:
        """Each router, in order of name, whose lock was asked for: why it is not taken, None where it is.

        The first lock is taken alone: of two runs that want the same, one has it, and the other waits there.
        The others are then taken side by side. Two runs cannot wait for each other, since none waits for a
        lock while it holds one of a later name: where one of them is another run's, those behind it are given
        back before it is waited for, and asked for again afterwards.
        """
        while names:
            first, *rest = names
            yield first, self._ask([first], max(0.0, self.deadline - time.monotonic()))[first]
            answers = self._ask(rest, 0.0) if rest else {}
            waiting = time.monotonic() < self.deadline
            others = [name for name in rest if waiting and isinstance(answers[name], Locked)]
            known = rest[: rest.index(others[0])] if others else rest
            yield from ((name, answers[name]) for name in known)
            names = rest[len(known) :]
            self.give_back(name for name in names if name in self.held)

    def give_back(self, names: Iterable[str]) -> None:
        """Give back the locks of some routers."""
        given = list(names)
        self.sessions.each(given, partial(give_back, owner=self.owner))
        self.held.difference_update(given)

    def _ask(self, names: list[str], timeout: float) -> dict[str, TunnelwrightError | None]:
        # Before they are asked: an interrupt must leave no lock that one of them has given.
        self.held.update(names)
        wanted = partial(take, owner=self.owner, lease=self.lease, timeout=timeout)
        answers = self.sessions.each(names, wanted)
        self.held.difference_update(name for name, error in answers.items() if error is not None)
        for _ in names:
            self.moved()
        return answers


def _refusal(error: TunnelwrightError) -> TunnelwrightError:
    """Why a lock was not taken. A router that does not answer, or is locked, says enough."""
    if isinstance(error, Locked | RouterUnreachable | Unforeseen):
        return error
    return LockUnavailable(
        f"its lock cannot be taken: {error.message}",
        router=error.router,
        operation="lock",
        hint=error.hint or "the router needs flock(1) of util-linux; the lock is /run/tunnelwright.lock",
    )


def take(router: Router, owner: str, lease: int, timeout: float) -> None:
    """Take a router's lock; raises Locked when another one holds it still after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    freed = False
    while True:
        try:
            router.host.lock(owner, lease)
        except Locked as error:
            # Once: a router that names one owner after the other that has gone is not asked for ever.
            if not freed and _has_gone(error.owner):
                router.host.unlock(error.owner)
                freed = True
            elif time.monotonic() >= deadline:
                raise
            else:
                time.sleep(_POLL)
        else:
            return


def renew(router: Router, owner: str, lease: int) -> None:
    """Keep a router's lock for longer; raises Locked when it is another one's by now."""
    router.host.lock(owner, lease)


def give_back(router: Router, owner: str) -> None:
    """Give a router's lock back, if it is the owner's."""
    router.host.unlock(owner)


def _renew(
    sessions: Sessions,
    name: str,
    owner: str,
    lease: int,
    done: threading.Event,
    *,
    lost: MutableMapping[str, TunnelwrightError],
) -> None:
    while not done.wait(lease / 3):
        # One that cannot be renewed is tried again before it expires.
        error = sessions.one(name, partial(renew, owner=owner, lease=lease))
        if isinstance(error, Locked):
            lost[name] = error
            return
