"""The one runner over many routers: side by side, each fails alone, each connection is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from reconciler.model.errors import TunnelwrightError
from reconciler.model.isolation import attempt
from reconciler.routers import quota
from reconciler.routers.protocol import Connect, Router, Task

Result = TypeVar("Result")

PARALLELISM = 10
"""Routers at a time, unless a caller says how many."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Many routers: how each of them is reached, and how many at once."""

    connect: Connect
    parallelism: int = PARALLELISM

    def each(self, names: Iterable[str], task: Task[Result]) -> dict[str, Result | TunnelwrightError]:
        """What `task` gives of each router, or the error that ended it there. Each connection is closed as
        soon as its task has ended: no more than `parallelism` are open at a time."""

        def visit(name: str) -> Result | TunnelwrightError:
            with self.kept() as sessions:
                return sessions.one(name, task)

        return self.side_by_side("router", names, visit)

    def kept(self) -> Sessions:
        """Connections that are kept for several tasks at the same router."""
        return Sessions(self)

    @contextmanager
    def together(self, names: Iterable[str]) -> Iterator[dict[str, Router]]:
        """Connections to several routers for one unit of work that uses them at the same time, such as both
        ends of a tunnel; each is closed at the end. Raises the error of the first that cannot be reached."""
        with ExitStack() as stack:
            found = {}
            for name in dict.fromkeys(names):
                with of_router(name):
                    found[name] = stack.enter_context(self.connect(name))
            yield found

    def side_by_side(
        self, kind: str, names: Iterable[str], work: Callable[[str], Result]
    ) -> dict[str, Result | TunnelwrightError]:
        """What `work` gives of each name, or the error that ended it, for as many at a time as the fleet may
        work on; `kind` is the unit of work, for metrics. For work that is no task at one router."""
        wanted = list(names)
        with ThreadPoolExecutor(max_workers=max(1, min(self.parallelism, len(wanted)))) as pool:
            found = pool.map(lambda name: attempt(kind, name, lambda: work(name)), wanted)
            return dict(zip(wanted, found, strict=True))

    def within(self, seconds: Callable[[str], float], what: str) -> Self:
        """The same routers, each with a quota: all answers of one together take no longer than `seconds` of
        its name (`quota.within`)."""
        return replace(self, connect=quota.within(self.connect, seconds, what))


class Sessions:
    """Connections to routers of a fleet, each made when it is first needed and kept until the context ends.

    Tasks of one router must follow one another; those of different routers may run in different threads.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._open: dict[str, Router] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.fleet.side_by_side("router", tuple(self._open), lambda name: self._open[name].close())

    def one(self, name: str, task: Task[Result]) -> Result | TunnelwrightError:
        """What `task` gives of one router, or the error that ended it."""
        return attempt("router", name, lambda: self.run(name, task))

    def each(self, names: Iterable[str], task: Task[Result]) -> dict[str, Result | TunnelwrightError]:
        """What `task` gives of each router, or the error that ended it there."""
        return self.fleet.side_by_side("router", names, lambda name: self.run(name, task))

    def run(self, name: str, task: Task[Result]) -> Result:
        """What `task` gives of one router. Raises the error that ended it there."""
        with of_router(name):
            if name not in self._open:
                self._open[name] = self.fleet.connect(name)
            return task(self._open[name])


class Background:
    """Work that is not waited for: each piece fails alone, at most `parallelism` at a time. The context ends
    when all of it has."""

    def __init__(self, parallelism: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=max(1, parallelism))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def begin(self, kind: str, name: str, work: Callable[[], Result]) -> Future[Result | TunnelwrightError]:
        """Begin a piece of work; what it gives, or the error that ended it. `kind` and `name` are those of
        `attempt`.

        Raises RuntimeError when no thread can be started.
        """
        return self._pool.submit(attempt, kind, name, work)


class Errands(Background):
    """Tasks at routers that are not waited for to their end: a router that is slow delays no other one, as
    long as the fleet may ask another one at the same time."""

    def __init__(self, sessions: Sessions, timeout: float) -> None:
        """`timeout` is how many seconds a task is waited for."""
        super().__init__(sessions.fleet.parallelism)
        self._sessions = sessions
        self._timeout = timeout
        self._latest: dict[str, Future[object]] = {}

    def idle(self, names: Iterable[str]) -> bool:
        """Whether none of these routers has a task that has not ended: only then it may get another one."""
        return all(name not in self._latest or self._latest[name].done() for name in names)

    def at(self, names: Iterable[str], task: Task[Result]) -> dict[str, Future[Result | TunnelwrightError]]:
        """One task at each of some idle routers, which have `timeout` in all to end it."""
        begun = {name: self.begin("router", name, partial(self._sessions.run, name, task)) for name in names}
        self._latest.update(begun)  # type: ignore[arg-type]  # a Future gives what it has, and takes nothing
        wait(begun.values(), self._timeout)
        return begun

    def pause(self) -> None:
        """Wait until a task ends, or `timeout` is over."""
        running = [task for task in self._latest.values() if not task.done()]
        wait(running, self._timeout, return_when=FIRST_COMPLETED)


def reach(router: Router) -> str:
    """The least task: the name of a router that can be reached."""
    return router.name


@contextmanager
def of_router(name: str) -> Iterator[None]:
    """Errors that pass through are this router's: who decodes an answer does not know whose it is."""
    try:
        yield
    except TunnelwrightError as error:
        error.router = error.router or name
        raise
