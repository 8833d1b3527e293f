"""The one runner over many routers: side by side, each fails alone, each connection is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from reconciler.model.errors import TunnelwrightError
from reconciler.model.unit import attempt
from reconciler.routers.protocol import Router

Connect: TypeAlias = Callable[[str], Router]
Result = TypeVar("Result")

PARALLELISM = 10
"""Routers at a time where nobody says how many."""


class Fleet:
    """Connections to many routers, each made when it is first needed and kept until the context ends.

    Tasks of one router must follow one another; those of different routers may run in different threads.
    """

    def __init__(self, connect: Connect, parallelism: int = PARALLELISM) -> None:
        self._connect = connect
        self.parallelism = parallelism
        self._open: dict[str, Router] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        side_by_side("router", tuple(self._open), lambda name: self._open[name].close(), self.parallelism)

    def one(self, name: str, task: Callable[[Router], Result]) -> Result | TunnelwrightError:
        """What `task` gives of one router, or the error that ended it."""
        return attempt("router", name, lambda: self._run(name, task))

    def each(
        self, names: Iterable[str], task: Callable[[Router], Result]
    ) -> dict[str, Result | TunnelwrightError]:
        """What `task` gives of each router, or the error that ended it there."""
        return side_by_side("router", names, lambda name: self._run(name, task), self.parallelism)

    def _run(self, name: str, task: Callable[[Router], Result]) -> Result:
        with of_router(name):
            if name not in self._open:
                self._open[name] = self._connect(name)
            return task(self._open[name])


class Errands:
    """Tasks at routers of a fleet that are not waited for to their end: a router that is slow holds up nobody
    else, as long as the fleet may ask another one at the same time. The context ends when all tasks have."""

    def __init__(self, fleet: Fleet, timeout: float) -> None:
        """`timeout` is how many seconds a task is waited for."""
        self._fleet = fleet
        self._timeout = timeout
        self._pool = ThreadPoolExecutor(max_workers=max(1, fleet.parallelism))
        self._latest: dict[str, Future[object]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def idle(self, names: Iterable[str]) -> bool:
        """Whether none of these routers has a task that has not ended: only then it may get another one."""
        return all(name not in self._latest or self._latest[name].done() for name in names)

    def begin(
        self, names: Iterable[str], task: Callable[[Router], Result]
    ) -> dict[str, Future[Result | TunnelwrightError]]:
        """One task at each of some idle routers, which have `timeout` in all to end it."""
        begun = {name: self._pool.submit(self._fleet.one, name, task) for name in names}
        self._latest.update(begun)  # type: ignore[arg-type]  # a Future gives what it has, and takes nothing
        wait(begun.values(), self._timeout)
        return begun

    def pause(self) -> None:
        """Wait until a task ends, or `timeout` is over."""
        running = [task for task in self._latest.values() if not task.done()]
        wait(running, self._timeout, return_when=FIRST_COMPLETED)


def each(
    connect: Connect, names: Iterable[str], task: Callable[[Router], Result], parallelism: int = PARALLELISM
) -> dict[str, Result | TunnelwrightError]:
    """What `task` gives of each router, or the error that ended it there, over a connection that is closed
    as soon as the task has ended: no more than `parallelism` are open at a time."""

    def visit(name: str) -> Result | TunnelwrightError:
        with Fleet(connect, 1) as fleet:
            return fleet.one(name, task)

    return side_by_side("router", names, visit, parallelism)


def side_by_side(
    kind: str, names: Iterable[str], work: Callable[[str], Result], parallelism: int = PARALLELISM
) -> dict[str, Result | TunnelwrightError]:
    """What `work` gives of each name, or the error that ended it; `kind` is the unit of work, for metrics."""
    wanted = list(names)
    with ThreadPoolExecutor(max_workers=max(1, min(parallelism, len(wanted)))) as pool:
        found = pool.map(lambda name: attempt(kind, name, lambda: work(name)), wanted)
        return dict(zip(wanted, found, strict=True))


@contextmanager
def of_router(name: str) -> Iterator[None]:
    """Errors that pass through are this router's: who decodes an answer does not know whose it is."""
    try:
        yield
    except TunnelwrightError as error:
        error.router = error.router or name
        raise
