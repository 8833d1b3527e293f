"""Which children of one router's tunnels have CHILD_SAs, from its list of SAs and the events that follow.

Pure: lists and events go in, and what has happened to the tunnels comes out. A child is up as long as it has
any CHILD_SA, so a change by make before break is no event; and SAs are known by their SPIs, since charon
numbers them anew when it restarts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from reconciler.facets.connections import selectors
from reconciler.facets.sas.events import (
    Alerted,
    AttemptFailed,
    ChildDown,
    ChildRekeyed,
    ChildUp,
    IkeRekeyed,
    SaEvent,
    spi,
)
from reconciler.model import bounds
from reconciler.model.fabric import Tunnel
from reconciler.model.router_config import PREFIX, IkeSa
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent

Child: TypeAlias = tuple[str, str]
"""A tunnel, and a child of it."""


@dataclass(slots=True)
class _State:
    """One child. `spis` gives the IKE_SA of each of its CHILD_SAs; `since` is when it went up or down."""

    spis: dict[str, str] = field(default_factory=dict)
    since: datetime | None = None

    def has(self, spi: str, ike: str) -> None:
        """One more CHILD_SA. A router may report any number of them without an end: the latest count."""
        self.spis[spi] = ike
        while len(self.spis) > bounds.SPIS_OF_CHILD:
            del self.spis[next(iter(self.spis))]


class Standing:
    """What is known of one router's tunnels. Events of others are passed over, whatever a router invents."""

    def __init__(self, router: str, tunnels: Collection[Tunnel]) -> None:
        self._router = router
        self._states: dict[Child, _State] = {}
        self._known = False
        """Whether its SAs were ever listed."""
        self.follow(tunnels)

    def follow(self, tunnels: Collection[Tunnel]) -> None:
        """Only these count from now on."""
        self._tunnels = {tunnel.name for tunnel in tunnels}
        self._children = {(tunnel.name, child) for tunnel in tunnels for child, _, _ in selectors(tunnel)}
        self._between = {(tunnel.vip.address, tunnel.peer_address): tunnel.name for tunnel in tunnels}
        self._states = {child: state for child, state in self._states.items() if child in self._children}
        self._children_of: dict[str, list[Child]] = {}
        for child in self._children:
            self._children_of.setdefault(child[0], []).append(child)

    def up(self) -> Mapping[Child, datetime | None]:
        """The children that have CHILD_SAs, and since when."""
        return {child: state.since for child, state in self._states.items() if state.spis}

    def listed(self, running: Iterable[IkeSa], now: datetime) -> tuple[TunnelEvent, ...]:
        """Take a list of all SAs; what has happened that no event has reported."""
        found: dict[Child, dict[str, str]] = {}
        ages: Counter[Child] = Counter()
        for sa in running:
            for item in sa.children:
                child = (self._tunnel(sa.connection), item.name)
                if child in self._children and item.state not in _GOING:
                    found.setdefault(child, {})[spi(item.spi_in)] = spi(sa.spis)
                    ages[child] = max(ages[child], sa.age)
        events: list[TunnelEvent] = []
        for child in sorted({*found, *self._states}):
            spis = found.get(child, {})
            if self._known:
                events += self._compared(child, spis, now)
            else:
                since = now - timedelta(seconds=min(ages[child], _LONGEST)) if spis else None
                state = self._states[child] = _State(since=since)
                for known, ike in spis.items():
                    state.has(known, ike)
        self._known = True
        return tuple(events)

    def reported(self, event: SaEvent, now: datetime) -> tuple[TunnelEvent, ...]:
        """Take an event; what it reports of tunnels."""
        match event:
            case ChildUp() | ChildDown() | ChildRekeyed():
                child = (self._tunnel(event.connection), event.child)
                return tuple(self._of_child(child, event, now)) if child in self._children else ()
            case IkeRekeyed():
                tunnel = self._tunnel(event.connection)
                for child in self._children_of.get(tunnel, ()):
                    if (state := self._states.get(child)) is not None:
                        moved = {
                            spi: event.new if ike == event.old else ike for spi, ike in state.spis.items()
                        }
                        state.spis = moved
                found = self._event(tunnel, TunnelChange.REKEYED, now, detail="IKE_SA")
                return (found,) if tunnel else ()
            case AttemptFailed():
                tunnel = self._tunnel(event.connection)
                return (self._event(tunnel, TunnelChange.FAILED, now),) if tunnel else ()
            case Alerted():
                tunnel = self._tunnel(event.connection)
                tunnel = tunnel or self._between.get((event.local, event.remote), "")
                return (self._event(tunnel, TunnelChange.ALERT, now, detail=event.type),) if tunnel else ()

    def _of_child(
        self, child: Child, event: ChildUp | ChildDown | ChildRekeyed, now: datetime
    ) -> Iterator[TunnelEvent]:
        state = self._states.setdefault(child, _State())
        match event:
            case ChildUp():
                if not state.spis:
                    yield self._turned(child, TunnelChange.UP, now)
                state.has(event.spi, event.ike_sa)
            case ChildDown():
                if state.spis.pop(event.spi, None) is not None and not state.spis:
                    yield self._turned(child, TunnelChange.DOWN, now)
            case ChildRekeyed():
                if not state.spis:
                    yield self._turned(child, TunnelChange.UP, now)
                state.spis.pop(event.old, None)
                state.has(event.new, event.ike_sa)
                yield self._event(child[0], TunnelChange.REKEYED, now, child=child[1], detail="CHILD_SA")

    def _compared(self, child: Child, spis: dict[str, str], now: datetime) -> Iterator[TunnelEvent]:
        """What has happened to a child while it was not followed. CHILD_SAs that are all others than before,
        in IKE_SAs that are others as well, were no rekey: the child was down in between."""
        state = self._states.setdefault(child, _State())
        before, state.spis = state.spis, {}
        for known, ike in spis.items():
            state.has(known, ike)
        replaced = not (before.keys() & spis.keys() or set(before.values()) & set(spis.values()))
        if before and (not spis or replaced):
            yield self._turned(child, TunnelChange.DOWN, now, late=True)
        if spis and (not before or replaced):
            yield self._turned(child, TunnelChange.UP, now, late=True)

    def _turned(
        self, child: Child, change: TunnelChange, now: datetime, *, late: bool = False
    ) -> TunnelEvent:
        state = self._states[child]
        seconds = None if state.since is None else max(0, int((now - state.since).total_seconds()))
        state.since = now
        return self._event(child[0], change, now, child=child[1], seconds=seconds, late=late)

    def _event(
        self,
        tunnel: str,
        change: TunnelChange,
        now: datetime,
        *,
        child: str = "",
        detail: str = "",
        seconds: int | None = None,
        late: bool = False,
    ) -> TunnelEvent:
        return TunnelEvent(now, self._router, tunnel, change, child, detail, seconds, late)

    def _tunnel(self, connection: str) -> str:
        """The tunnel of a connection; empty for what is not followed."""
        name = connection.removeprefix(PREFIX)
        return name if name != connection and name in self._tunnels else ""


_GOING = frozenset({"DELETING", "DELETED", "DESTROYING", "CREATED", "ROUTED", "INSTALLING"})
"""States of a CHILD_SA (child_sa.c) in which it carries nothing any more, or nothing yet."""
_LONGEST = 10**9
"""Seconds: what an SA says of its age is the router's word."""
