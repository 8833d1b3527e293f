"""Where the routers of a fabric and the connections between them are drawn. Pure.

A small fabric is drawn router by router. Of a large one clusters are drawn: the routers with most connections
are their centres, and every other router belongs to the centre that is the fewest connections away.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.model import bounds
from reconciler.model.condition import ConnectionCondition, State

WIDTH, HEIGHT = 1000.0, 620.0
"""Units of the drawing."""
_RX, _RY = 350.0, 235.0
_HUB_SHARE = 0.5
"""Of all other places that one is connected to, so that it is drawn in the middle."""
_RANK = {state: rank for rank, state in enumerate(State)}
ALONE = "(not connected)"
"""The cluster of what has no connection to any centre."""


@dataclass(frozen=True, slots=True)
class Place:
    """A router, the address of an unmanaged peer, or a cluster. `arcs` are the shares of its connections by
    their state: state, beginning and length in percent of the circle."""

    name: str
    kind: str
    """`router`, `peer` or `cluster`."""
    x: float
    y: float
    radius: float
    anchor: str
    label_x: float
    label_y: float
    routers: int
    connections: int
    arcs: tuple[tuple[State, float, float], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """The connections between two places, in the state of the worst of them."""

    here: Place
    there: Place
    state: State
    names: tuple[str, ...]

    @property
    def width(self) -> float:
        """Of the line."""
        return 2.0 + min(6.0, math.log2(len(self.names)))


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn. `squares` are connections that are drawn without their place, those in trouble first."""

    places: tuple[Place, ...] = ()
    lines: tuple[Line, ...] = ()
    squares: tuple[ConnectionCondition, ...] = ()
    more: int = 0
    """Connections beyond these."""


def drawing(
    found: Sequence[ConnectionCondition], routers: Iterable[str], cluster: str | None = None
) -> Drawing | None:
    """All of a fabric, or one cluster of it; None for a cluster that it has not."""
    names = sorted(routers)
    if len(names) <= bounds.PAGE_NODES and cluster is None:
        return _drawn({name: (name, "router") for name in names}, found)
    centre_of = clusters(found, names)
    if cluster is None:
        return _drawn({name: (centre, "cluster") for name, centre in centre_of.items()}, found)
    inside = {name for name, centre in centre_of.items() if centre == cluster}
    if not inside:
        return None
    there = [one for one in found if any(end.tunnel.router in inside for end in one.ends)]
    if len(inside) <= bounds.PAGE_NODES:
        near = {name: (name, "router") if name in inside else (centre_of[name], "cluster") for name in names}
        return _drawn({name: near[name] for name in _touched(there, inside)}, there)
    return Drawing(squares=tuple(there[: bounds.PAGE_SQUARES]), more=max(0, len(there) - bounds.PAGE_SQUARES))


def clusters(found: Sequence[ConnectionCondition], routers: Sequence[str]) -> dict[str, str]:
    """Router -> the centre of its cluster."""
    near: dict[str, set[str]] = {name: set() for name in routers}
    degree: Counter[str] = Counter()
    for one in found:
        ends = [end.tunnel.router for end in one.ends]
        degree.update(ends)
        if len(ends) == 2:
            near[ends[0]].add(ends[1])
            near[ends[1]].add(ends[0])
    centres = _centres(sorted(routers, key=lambda name: (-degree[name], name)), near)
    nearest = {name: name for name in centres}
    waiting = deque(centres)
    while waiting:
        here = waiting.popleft()
        for name in sorted(near[here]):
            if name not in nearest:
                nearest[name] = nearest[here]
                waiting.append(name)
    return {name: nearest.get(name, ALONE) for name in routers}


def _centres(routers: Sequence[str], near: Mapping[str, set[str]]) -> list[str]:
    """Of routers in the order of their connections those of whose neighbours most are no other centre's."""
    found: list[str] = []
    covered: set[str] = set()
    for name in routers:
        if 2 * len(near[name] - covered) > len(near[name]):
            found.append(name)
            covered |= {name, *near[name]}
            if len(found) == bounds.PAGE_CLUSTERS:
                break
    return found


def _touched(found: Iterable[ConnectionCondition], inside: set[str]) -> list[str]:
    return sorted(inside | {end.tunnel.router for one in found for end in one.ends})


def _drawn(place_of: Mapping[str, tuple[str, str]], found: Iterable[ConnectionCondition]) -> Drawing:
    kinds = dict(place_of.values())
    between: dict[tuple[str, str], list[ConnectionCondition]] = {}
    states: dict[str, Counter[State]] = {name: Counter() for name in kinds}
    for one in found:
        ends = [place_of[end.tunnel.router][0] for end in one.ends]
        if len(ends) == 1:
            peer = one.ends[0].tunnel.peer_address
            if kinds[ends[0]] == "cluster":
                peer = ends[0]
            else:
                kinds.setdefault(peer, "peer")
                states.setdefault(peer, Counter())
            ends.append(peer)
        for name in set(ends):
            states[name][one.state] += 1
        between.setdefault((min(ends), max(ends)), []).append(one)
    sizes = Counter(name for name, _ in place_of.values())
    at = _positions(kinds, [pair for pair in between if pair[0] != pair[1]])
    places = {name: _place(name, kinds[name], at[name], sizes[name], states[name]) for name in sorted(kinds)}
    lines = tuple(
        Line(
            places[here],
            places[there],
            min((one.state for one in there_are), key=_RANK.__getitem__),
            tuple(one.name for one in there_are),
        )
        for (here, there), there_are in sorted(between.items())
        if here != there
    )
    # The worst is drawn last, above all others.
    return Drawing(tuple(places.values()), tuple(sorted(lines, key=lambda line: -_RANK[line.state])))


def _place(name: str, kind: str, at: tuple[float, float], routers: int, states: Counter[State]) -> Place:
    x, y = at
    total = sum(states.values())
    arcs, begin = [], 0.0
    for state in State:
        if states[state]:
            share = 100 * states[state] / total
            arcs.append((state, begin, share))
            begin += share
    radius = 16.0 + 4 * math.log2(max(1, routers)) if kind == "cluster" else 11.0 if kind == "router" else 7.0
    centred = abs(x - WIDTH / 2) < 60
    anchor = "middle" if centred else "start" if x > WIDTH / 2 else "end"
    label_x = x if centred else x + math.copysign(radius + 10, x - WIDTH / 2)
    below = y > HEIGHT / 2 or y == HEIGHT / 2
    label_y = y + (radius + 22 if below else -radius - 12) if centred else y + 5
    return Place(name, kind, x, y, radius, anchor, label_x, label_y, routers, total, tuple(arcs))


def _positions(kinds: Mapping[str, str], pairs: Sequence[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """One hub in the middle, if there is one, and all others around it: neighbours beside each other."""
    near: dict[str, set[str]] = {name: set() for name in kinds}
    for here, there in pairs:
        near[here].add(there)
        near[there].add(here)
    names = sorted(kinds)
    most = max(names, key=lambda name: (len(near[name]), name), default="")
    is_hub = len(names) > 3 and len(near[most]) >= _HUB_SHARE * (len(names) - 1)
    ring = [name for name in _in_turn(names, near) if not (is_hub and name == most)]
    found = {most: (WIDTH / 2, HEIGHT / 2)} if is_hub else {}
    for number, name in enumerate(ring):
        angle = 2 * math.pi * number / len(ring) - math.pi / 2
        found[name] = (WIDTH / 2 + _RX * math.cos(angle), HEIGHT / 2 + _RY * math.sin(angle))
    return found


def _in_turn(names: Sequence[str], near: Mapping[str, set[str]]) -> list[str]:
    """Each name after one that it is connected to, as far as that goes."""
    order: dict[str, None] = {}
    for start in sorted(names, key=lambda name: (len(near[name]), name)):
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name not in order:
                order[name] = None
                waiting += sorted(near[name] - order.keys(), reverse=True)
    return list(order)
