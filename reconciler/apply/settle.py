"""After a switch both ends of a tunnel hold the same SAs, one of each kind.

Traffic does not wait for an apply: a packet that finds no SA makes charon negotiate at whichever end it comes
by, beside what was asked for here. So the ends are compared once nothing is being negotiated any more; what
one of them does not know, or neither needs, is closed, and what neither has left is brought up again. Before
the switch as well: in an IKE_SA that the other end has dropped nothing comes up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial

from reconciler.apply import establish
from reconciler.apply.establish import bring_up, retire
from reconciler.facets.sas.agreement import (
    Doomed,
    End,
    alive,
    at_rest,
    dead,
    leftovers,
    missing,
    negotiating,
    unanswered,
)
from reconciler.model.bounds import CLEAR_SECONDS, SETTLE_SECONDS, SETTLE_TURN_SECONDS, STUCK_SECONDS
from reconciler.model.errors import TunnelwrightError
from reconciler.model.operation import CloseSurplus, Switch
from reconciler.model.router_config import IkeSa
from reconciler.observe.state import read_sas
from reconciler.routers.fleet import Errands, Sessions
from reconciler.routers.protocol import Router

_All = Mapping[str, tuple[IkeSa, ...]]
"""Every SA of each router that answered."""
_Reading = Future[tuple[IkeSa, ...] | TunnelwrightError]
"""One that is under way, or has ended."""
_Left = Callable[[], float]
"""Seconds that are left for all tunnels; zero or less when their time is up."""


@dataclass(slots=True, eq=False)
class _Tunnel:
    """One tunnel on its way to rest. `routers` are those of its ends, that which brought it up first."""

    routers: tuple[str, ...]
    item: Switch
    before: tuple[End, ...] = ()
    """The observation before this one, where that showed something that may have to go."""
    reason: str = ""
    attempt: Future[str | TunnelwrightError] | None = None
    """To bring up what is missing; it may take longer than it is waited for."""
    began: float = field(default_factory=time.monotonic)
    waiting: dict[tuple[int, str], float] = field(default_factory=dict)
    """IKE_SAs, by the index of their end, in which the peer takes no part, and since when."""

    @property
    def failure(self) -> str:
        """Why the latest attempt has failed; empty while none has."""
        if self.attempt is None or not self.attempt.done():
            return ""
        said = self.attempt.result()
        return said.message if isinstance(said, TunnelwrightError) else said

    def ends(self, seen: _All) -> tuple[End, ...]:
        """Its ends as they are now; none where the first one is lost."""
        known = [seen.get(name) for name in self.routers]
        other = self.item.other_end
        if not known or known[0] is None:
            return ()
        here, there = known[0], known[1] if len(known) > 1 else None
        if other is None or there is None:
            return (End(_of(here, self.item.connection), None),)
        return (End(_of(here, self.item.connection), there), End(_of(there, other.connection), here))

    def negotiates(self, ends: tuple[End, ...]) -> bool:
        """Whether anything is being negotiated, other than what is stuck: what is held then is not what
        stays, so observations begin anew."""
        found = [(index, number) for index, end in enumerate(ends) for number in unanswered(end)]
        self.waiting = {key: self.waiting.get(key, time.monotonic()) for key in found}
        if not any(map(negotiating, ends, self.stuck(ends))):
            return False
        self.before = ()
        return True

    def stuck(self, ends: tuple[End, ...]) -> tuple[set[str], ...]:
        """The IKE_SAs of each end whose peer has taken no part for too long."""
        since = time.monotonic() - STUCK_SECONDS
        return tuple(
            {number for (at, number), began in self.waiting.items() if at == index and began <= since}
            for index in range(len(ends))
        )

    def earlier(self, ends: tuple[End, ...]) -> tuple[End, ...]:
        """The observation before this one; none until there is one to compare with, for which this one is
        kept. One observation is not enough: the two ends were not read at one moment, and what is used shows
        in what has changed. What was compared is of no use again."""
        before, self.before = self.before, ()
        if len(before) != len(ends):
            self.before = ends
            return ()
        return before


def settle(sessions: Sessions, wanted: Sequence[tuple[str, Switch]], lost: Container[str]) -> list[str]:
    """Bring tunnels to rest that were just switched, each given with the router that did it; an empty string
    for each that is up, else the reason. An other end that is `lost`, or does not answer, is left out of the
    comparison.

    What is negotiated still when the time is up, or left over, is for the next plan.
    """
    tunnels = [_Tunnel(_known(name, item, lost), item) for name, item in wanted]
    _until(tunnels, _settle, sessions, SETTLE_SECONDS)
    return [tunnel.reason for tunnel in tunnels]


def clear(sessions: Sessions, wanted: Sequence[tuple[str, Switch]], lost: Container[str]) -> None:
    """Close what one end alone holds of tunnels that are about to be switched, once nothing is negotiated. An
    IKE_SA that is stuck is closed too: nothing would come up in it."""
    tunnels = [_Tunnel(_known(name, item, lost), item) for name, item in wanted]
    paired = [tunnel for tunnel in tunnels if len(tunnel.routers) > 1]
    _until(paired, _clear, sessions, CLEAR_SECONDS + STUCK_SECONDS)


def _until(
    tunnels: Sequence[_Tunnel],
    done: Callable[[_Tunnel, tuple[End, ...], Errands, _Left], bool],
    sessions: Sessions,
    seconds: float,
) -> None:
    """Observe both ends of all tunnels again and again, until each is done or the time is up. After that
    nothing more is closed or brought up, in the middle of a pass over many tunnels too. A router that is slow
    costs its own tunnels the time: the others go on, and those are judged when it has answered."""
    pending = list(tunnels)
    unjudged = set(pending)
    deadline = time.monotonic() + seconds
    observed: dict[str, _Reading] = {}
    known: dict[str, tuple[IkeSa, ...]] = {}

    def left() -> float:
        return deadline - time.monotonic()

    with Errands(sessions, SETTLE_TURN_SECONDS) as errands:
        while pending:
            ready = [tunnel for tunnel in pending if errands.idle(tunnel.routers)]
            observed |= errands.at(sorted(_routers(ready) - observed.keys()), _read)
            ended = {name for name, reading in observed.items() if reading.done()}
            _remember(known, {name: observed[name] for name in ended})
            judged = [tunnel for tunnel in ready if ended.issuperset(tunnel.routers)]
            # Each observation is of use once.
            observed = {
                name: reading for name, reading in observed.items() if name not in ended & _routers(judged)
            }
            unjudged = set(pending) - set(judged)
            at_end = {tunnel for tunnel in judged if done(tunnel, tunnel.ends(known), errands, left)}
            pending = [tunnel for tunnel in pending if tunnel not in at_end]
            if left() <= 0:
                break
            if not ready:
                errands.pause()
            elif pending:
                time.sleep(establish.OVERLAP if any(tunnel.before for tunnel in pending) else establish.POLL)
    # By now every router has answered, or failed; those that were too slow are reported.
    _remember(known, observed)
    for tunnel in unjudged:
        done(tunnel, tunnel.ends(known), errands, lambda: 0.0)


def _clear(tunnel: _Tunnel, ends: tuple[End, ...], errands: Errands, left: _Left) -> bool:
    """Do what one more observation asks for before a switch; whether nothing dead is left, or what is
    negotiated has had its time."""
    if tunnel.negotiates(ends):
        return not tunnel.waiting and time.monotonic() - tunnel.began >= CLEAR_SECONDS
    stuck = tunnel.stuck(ends)
    if any(stuck):
        _close_ends(errands, tunnel, [Doomed(ike_sas=tuple(sorted(numbers))) for numbers in stuck], left)
        return False
    if alive(ends):
        return True
    before = tunnel.earlier(ends)
    return bool(before) and _close_ends(errands, tunnel, dead(before, ends), left)


def _settle(tunnel: _Tunnel, ends: tuple[End, ...], errands: Errands, left: _Left) -> bool:
    """Do what one more observation asks for after a switch; whether the tunnel is at rest now."""
    if not ends:
        tunnel.reason = f"{tunnel.routers[0]} does not answer"
        return True
    wanted = () if isinstance(tunnel.item, CloseSurplus) else tunnel.item.children
    lacking = missing(ends[0].running, wanted)
    tunnel.reason = (tunnel.failure or "no CHILD_SA that both ends hold") if lacking else ""
    if tunnel.negotiates(ends):
        return False
    if at_rest(ends) and not lacking:
        return True
    before = tunnel.earlier(ends)
    if not before:
        return False
    doomed = leftovers(before, ends)
    if lacking:
        # Nothing would come up in what is stuck.
        doomed = tuple(map(_with_stuck, doomed, ends, tunnel.stuck(ends)))
    _close_ends(errands, tunnel, doomed, left)
    if lacking and left() <= 0:
        tunnel.reason += "" if tunnel.failure else f" within {SETTLE_SECONDS:g} s"
    elif lacking and errands.idle(tunnel.routers):
        first = tunnel.routers[0]
        begun = errands.at(
            [first], partial(_bring_up, connection=tunnel.item.connection, children=tuple(lacking))
        )
        tunnel.attempt = begun[first]
        tunnel.reason = tunnel.failure or tunnel.reason
    return False


def _with_stuck(doomed: Doomed, end: End, stuck: set[str]) -> Doomed:
    """The stuck IKE_SAs as well that carry nothing."""
    empty = {sa.id for sa in end.running if sa.id in stuck and not sa.children}
    return replace(doomed, ike_sas=tuple(sorted({*doomed.ike_sas, *empty}, key=int)))


def _close_ends(errands: Errands, tunnel: _Tunnel, doomed: Iterable[Doomed], left: _Left) -> bool:
    """Close what has to go at each end; False when one of its routers still does something else."""
    closed = [_close(errands, *end, left) for end in zip(tunnel.routers, doomed, strict=False)]
    return all(closed)


def _close(errands: Errands, name: str, doomed: Doomed, left: _Left) -> bool:
    """Close what has to go at one end, as far as there is time: each may take seconds. False when the router
    still does something else; what has to go shows in a later observation too."""
    if left() <= 0 or not (doomed.children or doomed.ike_sas):
        return True
    if not errands.idle([name]):
        return False
    # A router that is lost here is found to be so by the next observation.
    errands.at([name], partial(_close_within, doomed=doomed, seconds=left()))
    return True


def _close_within(router: Router, doomed: Doomed, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for kind, numbers in (("child-id", doomed.children), ("ike-id", doomed.ike_sas)):
        for number in numbers:
            if time.monotonic() >= deadline:
                return
            retire(router.vici, [(kind, number)], force=kind == "ike-id")


def _known(name: str, item: Switch, lost: Container[str]) -> tuple[str, ...]:
    other = item.other_end
    return (name, other.router) if other is not None and other.router not in lost else (name,)


def _routers(tunnels: Iterable[_Tunnel]) -> set[str]:
    return {name for tunnel in tunnels for name in tunnel.routers}


def _bring_up(router: Router, connection: str, children: tuple[str, ...]) -> str:
    return bring_up(router.vici, connection, children)


def _read(router: Router) -> tuple[IkeSa, ...]:
    return read_sas(router.vici, every=True)


def _remember(known: dict[str, tuple[IkeSa, ...]], observed: Mapping[str, _Reading]) -> None:
    """What observations have shown that ended; nothing of a router that failed."""
    for name, reading in observed.items():
        found = reading.result()
        known.pop(name, None)
        if not isinstance(found, TunnelwrightError):
            known[name] = found


def _of(sas: Iterable[IkeSa], connection: str) -> tuple[IkeSa, ...]:
    return tuple(sa for sa in sas if sa.connection == connection)
