"""A router that answers as it should, save where a test says otherwise: nonsense, or an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from reconciler.routers.protocol import Closing, Message, Router, ViciEvent

Twist: TypeAlias = Callable[[Callable[[], Any]], Any]
"""Makes an answer, given how to get the true one."""
Twists: TypeAlias = Mapping[str, Twist]
"""By VICI command, or by the host's verb."""


class OddRouter(Closing):
    """A router with some of its answers twisted; satisfies `reconciler.routers.protocol.Router`."""

    def __init__(self, router: Router, twists: Twists) -> None:
        self._router = router
        self._twists = twists

    @property
    def name(self) -> str:
        """Its name."""
        return self._router.name

    @property
    def vici(self) -> OddVici:
        """Its charon."""
        return OddVici(self._router, self._twists)

    @property
    def host(self) -> Any:
        """Its host."""
        return OddHost(self._router, self._twists)

    def close(self) -> None:
        """Close it."""
        (self._twists.get("close") or (lambda true: true()))(self._router.close)


class OddVici:
    """The charon of an odd router."""

    def __init__(self, router: Router, twists: Twists) -> None:
        self._router = router
        self._twists = twists
        self._given: list[ViciEvent] = []

    def request(self, command: str, message: Message | None = None) -> Message:
        """One command."""
        true = partial(self._router.vici.request, command, message)
        answer: Message = self._twists[command](true) if command in self._twists else true()
        return answer

    def stream(self, command: str, event: str, message: Message | None = None) -> Iterator[Message]:
        """One command that streams events; a twist gives all of them."""
        true = partial(self._router.vici.stream, command, event, message)
        yield from self._twists[command](true) if command in self._twists else true()

    def subscribe(self, *events: str) -> frozenset[str]:
        """Those that the router knows, and those that a twist gives."""
        known: frozenset[str] = self._router.vici.subscribe(*events)
        for event in filter(self._twists.__contains__, events):
            self._given += [(event, item) for item in self._twists[event](list)]
        return known

    def next_event(self, pause: float) -> ViciEvent | None:
        """What the twists give, then what the router does."""
        return self._given.pop(0) if self._given else self._router.vici.next_event(pause)


class OddHost:
    """The host of an odd router."""

    def __init__(self, router: Router, twists: Twists) -> None:
        self._router = router
        self._twists = twists

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self._router.host, verb)
        twist = self._twists.get(verb)
        return method if twist is None else lambda *a, **k: twist(partial(method, *a, **k))


def answers(value: object) -> Twist:
    """An answer whatever is asked."""
    return lambda _: value


def fails(error: Exception) -> Twist:
    """An error whatever is asked."""

    def twist(_: Callable[[], Any]) -> Any:
        raise error

    return twist


def changed(**fields: object) -> Twist:
    """The true answer, a dataclass, with some of its fields replaced."""
    return lambda true: replace(true(), **fields)
