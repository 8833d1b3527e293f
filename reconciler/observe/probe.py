"""Live tunnels -> the results of echo requests through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from reconciler.model.bounds import PROOF_PACE, PROOF_VISIT_SECONDS
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel, probe_addresses
from reconciler.model.outcome import Echoes
from reconciler.routers.fleet import Fleet, Sessions
from reconciler.routers.protocol import Router

_PROBES = 5
# A trap loses the packets that arrive while the tunnel negotiates, so a tunnel is woken first.
_WARM_UP = 3
_WAKINGS = 3
"""How often a tunnel is woken: between busy routers a negotiation takes longer than one ping waits."""

_Ways = dict[str, tuple[str, str]]
"""Tunnel -> the addresses between which echo requests go through it, the router's own first."""
_Found = dict[str, Echoes | TunnelwrightError]


def probe(
    fabric: Fabric, fleet: Fleet, tunnels: Iterable[Tunnel], moved: Callable[[], None] = lambda: None
) -> _Found:
    """Send echo requests through each managed tunnel from the router's own address inside it; keys are
    tunnels. One that could not be probed has the reason. `moved` is called after each command, from any
    thread: many take long.

    Routers are worked on side by side, and the tunnels of one in one command. Packets from both ends at once
    would wake a tunnel twice, so the ends that initiate come first, and the others when those have ended.
    Where a packet was lost the tunnel is probed once more in the end, when nothing else is: it may have been
    the other probes that kept the routers busy, or the packets that woke it were answered by an SA that goes
    again.
    """
    passes: tuple[dict[str, _Ways], ...] = ({}, {})
    for tunnel in tunnels:
        ends = probe_addresses(fabric, tunnel)
        if ends is not None:
            passes[not tunnel.initiates].setdefault(tunnel.router, {})[tunnel.name] = ends
    with fleet.kept() as sessions:
        probes = _Probes(sessions, moved)
        found = {name: result for ways in passes for name, result in probes.each(ways, probes.wake).items()}
        again: dict[str, _Ways] = {}
        for ways in passes:
            for router in ways:
                again.setdefault(router, {}).update(_lossy(ways[router], found))
        return found | probes.each(again, probes.probe)


def _lossy(ways: _Ways, found: _Found) -> _Ways:
    """The tunnels that were awake, and lost packets. What nothing woke was sent fewer."""
    return {
        name: ends
        for name, ends in ways.items()
        if isinstance(result := found[name], Echoes) and result.received < result.sent == _PROBES
    }


class _Probes:
    """What is sent over the sessions with some routers."""

    def __init__(self, sessions: Sessions, moved: Callable[[], None]) -> None:
        self._sessions = sessions
        self._moved = moved
        self._failed: dict[str, TunnelwrightError] = {}
        """Routers that did not answer, which are not asked again."""

    def each(self, by_router: Mapping[str, _Ways], work: Callable[[str, _Ways], _Found]) -> _Found:
        """What `work` gives of the ways of each router, side by side."""
        wanted = {router: ways for router, ways in by_router.items() if ways}
        answers = self._sessions.fleet.side_by_side("router", wanted, lambda name: work(name, wanted[name]))
        found: _Found = {}
        for router, answer in answers.items():
            if isinstance(answer, TunnelwrightError):
                answer = dict.fromkeys(wanted[router], answer)  # noqa: PLW2901 - the same of each
            found |= answer
        return found

    def wake(self, router: str, ways: _Ways) -> _Found:
        """Wake tunnels, then probe those that are awake; what did not wake one is the result where nothing
        does."""
        found: _Found = {}
        asleep = ways
        for _ in range(_WAKINGS):
            found |= self._sent(router, asleep, _WARM_UP)
            asleep = {name: ends for name, ends in asleep.items() if _is_silent(found[name])}
            if not asleep:
                break
        awake = {name: ways[name] for name, result in found.items() if _is_answered(result)}
        return found | self.probe(router, awake)

    def probe(self, router: str, ways: _Ways) -> _Found:
        """Probe tunnels that are awake."""
        return self._sent(router, ways, _PROBES)

    def _sent(self, router: str, ways: _Ways, count: int) -> _Found:
        """Send so many requests on each way, as many ways at a time as one command has time for."""
        found: _Found = {}
        at_once = max(1, int(PROOF_VISIT_SECONDS * PROOF_PACE / count))
        names = list(ways)
        for start in range(0, len(names), at_once):
            part = {name: ways[name] for name in names[start : start + at_once]}
            if router in self._failed:
                found |= dict.fromkeys(part, self._failed[router])
                continue
            sent = self._sessions.one(router, partial(send, ways=tuple(part.values()), count=count))
            self._moved()
            if isinstance(sent, TunnelwrightError):
                self._failed[router] = sent
                found |= dict.fromkeys(part, sent)
                continue
            for name, echoes in zip(part, sent, strict=True):
                # Why nothing could be sent is known only of a command of its own.
                why = partial(ping, ends=part[name], count=count)
                found[name] = self._sessions.one(router, why) if echoes is None else echoes
        return found


def _is_silent(result: Echoes | TunnelwrightError) -> bool:
    return isinstance(result, Echoes) and not result.received


def _is_answered(result: Echoes | TunnelwrightError) -> bool:
    return isinstance(result, Echoes) and result.received > 0


def send(router: Router, ways: tuple[tuple[str, str], ...], count: int) -> tuple[Echoes | None, ...]:
    """`count` echo requests on each of several ways, each from an address of the router's own to another one;
    None where none could be sent."""
    return router.host.probe(ways, count, PROOF_PACE)


def ping(router: Router, ends: tuple[str, str], count: int) -> Echoes:
    """`count` echo requests from the first of two addresses, which is the router's own, to the second."""
    return router.host.ping(*ends, count)
