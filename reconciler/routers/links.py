"""Links: connections that are kept for the next observation of a run, so that it does not log in again.

A link is what costs time to make (a login over SSH, a shell in a container). Sessions with charon, quotas and
bounds are made anew for each use.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.isolation import attempt


class Link(Protocol):
    """A connection to a router that one user after another may have."""

    def alive(self) -> bool:
        """Whether nothing is known of its having ended; asked without a round trip."""
        ...

    def close(self) -> None:
        """End it; of one that has ended already nothing is left to close."""
        ...


L = TypeVar("L", bound=Link)


class Links:
    """Unused links, `most` at a time, by what they lead to. From any thread. As a context it closes
    them in the end."""

    def __init__(self, most: int = bounds.KEPT_LINKS) -> None:
        self._most = most
        self._idle: list[tuple[Hashable, Link]] = []
        self._changing = Lock()
        self._cleared = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def take(self, key: Hashable, kind: type[L]) -> L | None:
        """A link that is alive, for its taker alone; None when none is kept. Those that have ended are
        closed."""
        while (link := self._pop(key, kind)) is not None:
            if link.alive():
                return link
            _close(link)
        return None

    @property
    def generation(self) -> int:
        """How often all were closed. A link of an earlier generation is not given on."""
        return self._cleared

    def give(self, key: Hashable, link: Link, generation: int) -> None:
        """Keep a link, taken or made in a generation, for the next one. Where there are too many, the one
        that has lain longest is closed."""
        with self._changing:
            if generation != self._cleared:
                closed = [(key, link)]
            else:
                self._idle.append((key, link))
                closed = self._idle[: -self._most] if self._most else list(self._idle)
                del self._idle[: len(closed)]
        for _, old in closed:
            _close(old)

    def clear(self) -> None:
        """Close all that are kept, and those that are in use now once they are given back: who takes one
        afterwards gets a new one."""
        with self._changing:
            self._cleared += 1
            closed = list(self._idle)
            self._idle.clear()
        for _, old in closed:
            _close(old)

    def _pop(self, key: Hashable, kind: type[L]) -> L | None:
        with self._changing:
            for index in range(len(self._idle) - 1, -1, -1):
                known, link = self._idle[index]
                if known == key and isinstance(link, kind):
                    del self._idle[index]
                    return link
        return None


def _close(link: Link) -> None:
    """Its end is not waited for: what fails there is logged, and costs neither the others nor a run."""
    attempt("link", "close", link.close)


class Lease(Generic[L]):
    """A link in the hands of one user, from when it was taken or made until `end`."""

    def __init__(self, links: Links, key: Hashable, link: L) -> None:
        self.link = link
        self.ended = False
        self._links = links
        self._key = key
        self._generation = links.generation
        self._sound = True

    @contextmanager
    def opening(self) -> Iterator[None]:
        """What has to go well before there is a user: when it does not, the link is closed."""
        try:
            yield
        except BaseException:
            self.ended = True
            self.link.close()
            raise

    @contextmanager
    def working(self) -> Iterator[None]:
        """Something that is done by the link. One that failed, or whose answer was given up, is not
        used again."""
        try:
            yield
        except TunnelwrightError:
            self._sound = False
            raise

    def end(self) -> None:
        """Leave the link to the next user, or close one that is of no use any more; once."""
        if self.ended:
            return
        self.ended = True
        if self._sound and self.link.alive():
            self._links.give(self._key, self.link, self._generation)
        else:
            self.link.close()


NONE_KEPT = Links(0)
"""Each use makes a link of its own."""
