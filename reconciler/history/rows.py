"""Rows of the history's tables: what is kept as columns, and back. Whatever a file holds is a value, or
HistoryDamaged."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Any

from reconciler.history.file import HistoryDamaged
from reconciler.history.tables import ACCEPTED, RUNS, SENT, Table
from reconciler.model import bounds
from reconciler.model.record import Acceptance, Result, RunRecord
from reconciler.model.tunnel_event import TunnelEvent
from reconciler.model.visible import encodable
from reconciler.report.json.events import decode, encode, read_objects
from reconciler.report.json.run import read_run, run_summary
from reconciler.report.json.tunnel import tunnel_event

_QUIET = {Result.IN_SYNC.value, Result.HELD.value}
_COMPARED = ("head", "in_force", "result", "message", "objects")
"""What of a run is not the same in the next one only where something has happened."""


def same(last: Row, values: dict[str, Any]) -> bool:
    """Whether a run that found nothing to do reports the same as the last one. Raises HistoryDamaged."""
    parsed(last)
    return values["result"] in _QUIET and all(values[name] == last[name] for name in _COMPARED)


def run_values(record: RunRecord) -> dict[str, Any]:
    """The columns of a new row, which gets its number by itself."""
    objects = json.dumps([encode(event) for event in record.events])
    return run_summary(record) | {"objects": objects, "message": encodable(record.message), "id": None}


def tunnel_event_values(event: TunnelEvent) -> dict[str, str]:
    """The row of a tunnel event."""
    return {
        "tunnel": event.tunnel,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "router": event.router,
        "child": encodable(event.child),
        "change": event.change.value,
        "object": json.dumps(tunnel_event(event)),
    }


def checked(table: Table, row: Row) -> dict[str, Any]:
    """A row, of which every value is of its column's type: SQLite keeps others too.

    What a receiver was sent is judged by who reads it. Raises HistoryDamaged.
    """
    values = {name: row[name] for name in table.columns}
    for name, kind in table.columns.items() if table is not SENT else ():
        if not isinstance(values[name], kind):
            raise HistoryDamaged(f"a row of {table.name} in the history cannot be read: {name}")
    if table is RUNS and not 0 < values["id"] < bounds.RUN_NUMBERS:
        # After the largest number SQLite takes any that is free, and the order of runs is lost.
        raise HistoryDamaged("a row of runs in the history cannot be read: id")
    if table is ACCEPTED:
        acceptance_of(row)
    return values


def time_of(text: str, what: str) -> datetime:
    """A time of a row, in UTC; `what` has it. Raises HistoryDamaged."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError) as error:
        raise HistoryDamaged(f"{what} in the history cannot be read: {error}") from error


def acceptance_of(row: Row) -> Acceptance:
    """The acceptance of a row. Raises HistoryDamaged."""
    at = time_of(row["at"], "an acceptance")
    return Acceptance(row["commit"], at, row["by"], row["instead_of"], row["number"])


def record_of(row: Row) -> RunRecord:
    """The run of a row. Raises HistoryDamaged."""
    checked(RUNS, row)
    record, objects = parsed(row)
    return replace(record, events=tuple(map(decode, objects)))


def outline_of(row: Row) -> RunRecord:
    """The run of a row, without its events. Raises HistoryDamaged."""
    checked(RUNS, row)
    return parsed(row)[0]


def parsed(row: Row) -> tuple[RunRecord, list[dict[str, Any]]]:
    """The run of a row without its events, and the objects of those. Raises HistoryDamaged."""
    try:
        return read_run(dict(row)), read_objects(row["objects"])
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise HistoryDamaged(f"run {row['id']} of the history cannot be read: {error}") from error
