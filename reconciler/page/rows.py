"""What the templates put into tables: the cells of `status`, with what a browser needs beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.condition import ConnectionCondition, LastChange, State
from reconciler.page.snapshot import Snapshot
from reconciler.report.status_text import PROBED, TITLES, moved_text, probed_cells, row

MARKS = {
    State.DOWN: "✕",
    State.SILENT: "✕",
    State.DEGRADED: "▲",
    State.UNKNOWN: "?",
    State.UP: "●",
    State.CARRYING: "●",
    State.DISABLED: "○",
}
"""What is seen of a state without its colour."""


@dataclass(frozen=True, slots=True)
class Row:
    """A connection. `cells` are those after its name and its state, in the order of `COLUMNS`."""

    name: str
    state: State
    reason: str
    since: datetime | None
    cells: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    last_change: LastChange | None
    routers: tuple[str, ...]


COLUMNS = {
    "BETWEEN": ("between", "Between"),
    "SINCE": ("since", "Since"),
    "OUT": ("traffic", "Out"),
    "IN": ("traffic", "In"),
    "LOSS": ("loss", "Loss"),
    "RTT": ("rtt", "RTT"),
    "SA AGE": ("age", "SA age"),
    "ALGORITHMS": ("algorithms", "Algorithms"),
}
"""Of `status` -> class and heading of each column after the name and the state."""


def row_of(seen: Snapshot, one: ConnectionCondition, now: datetime) -> Row:
    """One connection of a table."""
    cells = dict(zip(TITLES, row(one, wide=False), strict=True))
    cells |= dict(zip(PROBED, probed_cells(one.carriage, now), strict=True))
    since = since_of(seen, one)
    if since is not None:
        cells["SINCE"] = f"{since:%m-%d %H:%M:%SZ}"
    elif one.carriage is None:
        cells["SINCE"] = "-"
    for title in ("OUT", "IN"):
        # The page of the connection has the packets too.
        cells[title] = cells[title].partition(" (")[0]
    return Row(
        one.name,
        one.state,
        one.reason,
        since,
        tuple((key, cells[title]) for title, (key, _) in COLUMNS.items()),
        tuple(_notes(one)),
        one.last_change,
        tuple(end.tunnel.router for end in one.ends),
    )


def since_of(seen: Snapshot, one: ConnectionCondition) -> datetime | None:
    """Since when it is in its state: as probes have shown, else as its routers have reported."""
    carriage = one.carriage
    if carriage is not None and carriage.state is one.state:
        return carriage.since
    return seen.since.get(one.name)


def _notes(one: ConnectionCondition) -> Iterable[str]:
    for end in one.ends:
        if end.drift:
            yield f"drift at {end.tunnel.router}: {end.drift}"
        if end.moved:
            yield moved_text(end)


@dataclass(frozen=True, slots=True)
class Count:
    """How many connections are in a state."""

    state: State
    count: int


def counts(found: Sequence[ConnectionCondition]) -> list[Count]:
    """The states that there are, the worst first."""
    number = Counter(one.state for one in found)
    return [Count(state, number[state]) for state in State if number[state]]


def matches(one: ConnectionCondition, words: str) -> bool:
    """Whether each of some words is part of a name, a router, an address or a label of it, or of its
    state."""
    texts = [one.name, str(one.state), one.state.label]
    for end in one.ends:
        tunnel = end.tunnel
        texts += [tunnel.name, tunnel.router, *end.addresses, tunnel.vip.address, tunnel.peer_address]
        texts += [f"{key}={value}" for key, value in tunnel.labels.items()]
        if tunnel.origin is not None:
            texts.append(tunnel.origin.name)
    whole = "\n".join(texts).lower()
    return all(word in whole for word in words.lower().split())
