"""Tunnel events, in the history's file: how much of it is kept, and of whom.

Rows are in the order in which they were written, which no clock changes. Where there are too many, those of
the router with most of them go first, so that none takes the place of another one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection, Row

from reconciler.history.rows import tunnel_event_values
from reconciler.history.tables import TUNNEL_EVENTS
from reconciler.model import bounds
from reconciler.model.tunnel_event import TunnelEvent
from reconciler.model.visible import encodable
from reconciler.report.json.tunnel import read_tunnel_event

_LATEST = (
    f"{TUNNEL_EVENTS.select} "  # noqa: S608 - names of this room
    "JOIN (SELECT tunnel_events.rowid AS number, row_number() OVER "
    "(PARTITION BY tunnel_events.router ORDER BY tunnel_events.rowid DESC) AS place FROM tunnel_events "
    "ORDER BY place, number DESC LIMIT ?) ON tunnel_events.rowid = number ORDER BY number"
)


def keep(connection: Connection, events: Sequence[TunnelEvent]) -> None:
    """Add events: of each tunnel and of all together the latest stay."""
    connection.executemany(TUNNEL_EVENTS.put, map(tunnel_event_values, events))
    for tunnel in {event.tunnel for event in events}:
        connection.execute(
            "DELETE FROM tunnel_events WHERE rowid IN (SELECT tunnel_events.rowid FROM tunnel_events "
            "WHERE tunnel_events.tunnel = ? ORDER BY tunnel_events.rowid DESC LIMIT -1 OFFSET ?)",
            [encodable(tunnel), bounds.EVENTS_OF_TUNNEL],
        )
    surplus = connection.execute("SELECT count(*) FROM tunnel_events").fetchone()[0] - bounds.EVENTS_KEPT
    if surplus > 0:
        _shorten(connection, surplus)


def of_tunnel(connection: Connection, tunnel: str, limit: int) -> list[TunnelEvent]:
    """The events of one tunnel, the latest first. Those that another version has written are left out."""
    rows = connection.execute(
        f"{TUNNEL_EVENTS.select} WHERE tunnel_events.tunnel = ? ORDER BY tunnel_events.rowid DESC LIMIT ?",
        [encodable(tunnel), max(0, min(limit, bounds.EVENTS_OF_TUNNEL))],
    )
    return [event for row in rows if (event := read_tunnel_event(str(row["object"]))) is not None]


def latest(connection: Connection) -> list[Row]:
    """The rows that are kept in memory too, in their order: of each router as many as of the others."""
    return connection.execute(_LATEST, [bounds.EVENTS_IN_MEMORY]).fetchall()


def _shorten(connection: Connection, surplus: int) -> None:
    """Delete so many rows, always the oldest one of the router that has most by then."""
    rows = connection.execute("SELECT router, count(*) AS n FROM tunnel_events GROUP BY router")
    counts = {row["router"]: row["n"] for row in rows}
    allowed = _level(sorted(counts.values()), sum(counts.values()) - surplus)
    for router, count in counts.items():
        if count > allowed:
            connection.execute(
                "DELETE FROM tunnel_events WHERE rowid IN (SELECT tunnel_events.rowid FROM tunnel_events "
                "WHERE tunnel_events.router = ? ORDER BY tunnel_events.rowid LIMIT ?)",
                [router, count - allowed],
            )


def _level(counts: list[int], most: int) -> int:
    """The greatest number that each may have so that there are no more than `most`; `counts` rise."""
    for index, count in enumerate(counts):
        share = most // (len(counts) - index)
        if count > share:
            return share
        most -= count
    return counts[-1] if counts else 0
