"""The content of the history: runs, counts, good and bad commits, each router's commit, sent
notifications."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from sqlite3 import Connection, Row
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

from reconciler.history.file import HistoryDamaged, connection_to, made_by_one, translated
from reconciler.history.tables import (
    ACCEPTED,
    BAD,
    CARRIED,
    COUNTS,
    FORMAT,
    HAPPENED,
    PLACES,
    RUNS,
    SENT,
    TABLES,
    TOUCHED,
    Table,
)
from reconciler.model import bounds
from reconciler.model.condition import Carriage, Touch
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import PlannedChange
from reconciler.model.record import Acceptance, Result, RunRecord, read_result
from reconciler.model.tunnel_event import TunnelEvent
from reconciler.model.visible import encodable
from reconciler.report.json.carriage import carriage_object, read_carriage
from reconciler.report.json.events import decode, encode
from reconciler.report.json.run import run_summary
from reconciler.report.json.tunnel import read_tunnel_event, tunnel_event

Answer = TypeVar("Answer")
Words = ParamSpec("Words")
Work = Callable[[Connection], Answer]
Contents = dict[str, list[dict[str, Any]]]
"""The rows of each table."""

_FABRIC = ""
"""In place of a router: the whole."""
_LATEST = f"{RUNS.select} ORDER BY runs.id DESC LIMIT ?"
_NEWEST = f"{HAPPENED.select} ORDER BY happened.rowid DESC LIMIT ?"


def _reads(
    method: Callable[Concatenate[Any, Connection, Words], Answer],
) -> Callable[Concatenate[Any, Words], Answer]:
    """A method that asks, and changes nothing."""

    @wraps(method)
    def asking(self: Any, /, *args: Words.args, **kwargs: Words.kwargs) -> Answer:  # noqa: ANN401
        answer: Answer = self._read(lambda connection: method(self, connection, *args, **kwargs))
        return answer

    return asking


def _writes(
    method: Callable[Concatenate[Any, Connection, Words], Answer],
) -> Callable[Concatenate[Any, Words], Answer]:
    """A method that changes something, wholly or not at all."""

    @wraps(method)
    def changing(self: Any, /, *args: Words.args, **kwargs: Words.kwargs) -> Answer:  # noqa: ANN401
        answer: Answer = self._write(lambda connection: method(self, connection, *args, **kwargs))
        return answer

    return changing


class History:
    """One file, readable by its owner alone; without a path it is in memory. Every method raises
    HistoryUnusable, or HistoryDamaged, when it cannot be used.
    """

    def __init__(self, path: Path | None, *, make: bool = True) -> None:
        """Without `make` the file is there already."""
        self._path = path
        self._one_by_one = RLock()
        self._in_memory = connection_to(None) if path is None else None
        # Two processes may find that there is none: the second one finds what the first has made.
        with made_by_one(path) if make else nullcontext():
            if not self._is_made():
                if not make:
                    raise HistoryDamaged(f"{path} is not a history")
                self._make()

    @_reads
    def contents(self, connection: Connection) -> Contents:
        """All of it, but of the runs and of what has happened to tunnels only the latest, as far as they are
        to be kept in memory."""
        found: Contents = {
            table.name: [_checked(table, row) for row in connection.execute(table.select)]
            for table in TABLES
            if table not in (RUNS, HAPPENED)
        }
        latest = connection.execute(_NEWEST, [bounds.EVENTS_IN_MEMORY]).fetchall()
        found[HAPPENED.name] = [_checked(HAPPENED, row) for row in latest[::-1]]
        room = bounds.RECORDS_IN_MEMORY
        runs: list[dict[str, Any]] = []
        for row in connection.execute(_LATEST, [bounds.RUNS_IN_MEMORY]):
            values = _checked(RUNS, row)
            _parsed(row)
            room -= len(values["objects"])
            if room < 0:
                break
            runs.append(values)
        return {**found, RUNS.name: runs[::-1]}

    @_writes
    def pour(self, connection: Connection, contents: Contents) -> None:
        """Put rows here, in place of those with the same keys."""
        for table in TABLES:
            connection.executemany(table.put, contents.get(table.name, []))

    @_writes
    def replace_with(self, connection: Connection, contents: Contents) -> None:
        """Let the tables that are named hold these rows and no others."""
        for table in TABLES:
            if table.name in contents:
                connection.execute(table.clear)
                connection.executemany(table.put, contents[table.name])

    @_writes
    def add(self, connection: Connection, record: RunRecord) -> int:
        """Keep a run; its number. One that found nothing to do counts as a repeat of such a one before."""
        last = connection.execute(_LATEST, [1]).fetchone()
        values = _values(record)
        if last is not None and _same(last, values):
            connection.execute(
                "UPDATE runs SET finished = ?, repeats = repeats + 1 WHERE id = ?",
                [record.finished.isoformat(), last["id"]],
            )
            return int(last["id"])
        newest = connection.execute(RUNS.put, values).lastrowid or 0
        connection.execute("DELETE FROM runs WHERE id <= ?", [newest - bounds.RUNS_KEPT])
        return newest

    @_reads
    def runs(self, connection: Connection, limit: int) -> list[RunRecord]:
        """The latest runs, newest first."""
        # No more are kept, and no other number has to fit into SQLite's.
        most = min(limit, bounds.RUNS_KEPT)
        return [_record(row) for row in connection.execute(_LATEST, [most])]

    @_reads
    def run(self, connection: Connection, number: int) -> RunRecord:
        """One run. Raises TunnelwrightError for a number that none has."""
        last = connection.execute("SELECT max(runs.id) FROM runs").fetchone()[0] or 0
        # No other number has to fit into SQLite's.
        known = number if 0 < number <= last else 0
        row = connection.execute(f"{RUNS.select} WHERE runs.id = ?", [known]).fetchone()
        if row is None:
            raise TunnelwrightError(f"there is no run {number}", hint=f"the latest is {last or 'none'}")
        return _record(row)

    @_reads
    def last(self, connection: Connection, results: Iterable[Result]) -> datetime | None:
        """When a run last ended in one of these ways."""
        # The latest is the one with the highest number: clocks are set back.
        found = connection.execute(
            "SELECT runs.finished FROM runs WHERE runs.result IN (SELECT value FROM json_each(?)) "
            "ORDER BY runs.id DESC LIMIT 1",
            [json.dumps([result.value for result in results])],
        ).fetchone()
        try:
            return None if found is None else datetime.fromisoformat(found[0]).astimezone(UTC)
        except (ValueError, TypeError, OverflowError) as error:
            raise HistoryDamaged(f"the end of a run in the history cannot be read: {error}") from error

    @_writes
    def count(self, connection: Connection, amounts: Mapping[tuple[str, str], float]) -> None:
        """Add to what is counted, by name and label."""
        connection.executemany(
            "INSERT INTO counts (name, label, value) VALUES (?, ?, ?) "
            "ON CONFLICT (name, label) DO UPDATE SET value = value + excluded.value",
            [(name, label, amount) for (name, label), amount in amounts.items()],
        )

    @_reads
    def counts(self, connection: Connection) -> dict[tuple[str, str], float]:
        """What was counted since the file was made."""
        return {(row["name"], row["label"]): row["value"] for row in connection.execute(COUNTS.select)}

    @_writes
    def happened(self, connection: Connection, events: Sequence[TunnelEvent]) -> None:
        """Keep what has happened to tunnels: the latest of each, and of all."""
        connection.executemany(HAPPENED.put, [_happened(event) for event in events])
        for tunnel in {event.tunnel for event in events}:
            connection.execute(
                "DELETE FROM happened WHERE rowid IN (SELECT happened.rowid FROM happened "
                "WHERE happened.tunnel = ? ORDER BY happened.at DESC LIMIT -1 OFFSET ?)",
                [tunnel, bounds.EVENTS_OF_TUNNEL],
            )
        newest = connection.execute("SELECT max(happened.rowid) FROM happened").fetchone()[0] or 0
        connection.execute("DELETE FROM happened WHERE rowid <= ?", [newest - bounds.EVENTS_KEPT])

    @_reads
    def happenings(self, connection: Connection, tunnel: str, limit: int) -> list[TunnelEvent]:
        """What has happened to one tunnel, the latest first. What another version has written is left out."""
        rows = connection.execute(
            f"{HAPPENED.select} WHERE happened.tunnel = ? ORDER BY happened.at DESC LIMIT ?",
            [encodable(tunnel), max(0, min(limit, bounds.EVENTS_OF_TUNNEL))],
        )
        return [event for row in rows if (event := read_tunnel_event(str(row["object"]))) is not None]

    @_writes
    def carry(self, connection: Connection, known: Iterable[Carriage]) -> None:
        """Keep what probes have shown last, in place of what they had shown before."""
        rows = [{"connection": one.connection, "object": json.dumps(carriage_object(one))} for one in known]
        connection.executemany(CARRIED.put, rows)

    @_reads
    def carried(self, connection: Connection) -> dict[str, Carriage]:
        """What probes have shown last, by connection. What another version has written is left out."""
        found = (read_carriage(str(row["object"])) for row in connection.execute(CARRIED.select))
        return {one.connection: one for one in found if one is not None}

    @_writes
    def touch(self, connection: Connection, touches: Mapping[str, Touch]) -> None:
        """A run has changed these connections."""
        rows = [
            {
                "connection": name,
                "at": touch.at.astimezone(UTC).isoformat(),
                "commit": touch.commit,
                "author": encodable(touch.author),
            }
            for name, touch in touches.items()
        ]
        connection.executemany(TOUCHED.put, rows)

    @_reads
    def touched(self, connection: Connection) -> dict[str, Touch]:
        """The last change of each connection. One whose time cannot be read is left out."""
        found = {}
        for row in connection.execute(TOUCHED.select):
            with suppress(ValueError, TypeError):
                at = datetime.fromisoformat(row["at"]).astimezone(UTC)
                found[str(row["connection"])] = Touch(at, str(row["commit"]), str(row["author"]))
        return found

    @_writes
    def keep_connections(self, connection: Connection, names: Iterable[str]) -> None:
        """Forget what is known of all others."""
        kept = json.dumps(list(names))
        for table in (CARRIED, TOUCHED):
            connection.execute(
                f'DELETE FROM "{table.name}" WHERE connection NOT IN (SELECT value FROM json_each(?))',  # noqa: S608 - names of tables
                [kept],
            )

    @_reads
    def runs_about(self, connection: Connection, tunnel: str, limit: int) -> list[RunRecord]:
        """Runs whose events name a tunnel's changes, the latest first."""
        found: list[RunRecord] = []
        naming = f"{RUNS.select} WHERE instr(runs.objects, ?) > 0 ORDER BY runs.id DESC"
        for row in connection.execute(naming, [json.dumps(tunnel)]):
            if len(found) == max(0, limit):
                break
            record = _record(row)
            if any(
                isinstance(event, PlannedChange) and event.resource.name == tunnel for event in record.events
            ):
                found.append(record)
        return found

    @_reads
    def runs_after(self, connection: Connection, number: int, limit: int) -> list[RunRecord]:
        """Runs with higher numbers, oldest first; of more than `limit` the newest."""
        later = f"{RUNS.select} WHERE runs.id > ? ORDER BY runs.id DESC LIMIT ?"
        return [_record(row) for row in connection.execute(later, [number, limit])][::-1]

    @_reads
    def sent(self, connection: Connection, receiver: str) -> object:
        """What a receiver was sent last, of whatever shape: the reader judges that. None for nothing; what
        is no JSON is its text."""
        row = connection.execute(f"{SENT.select} WHERE told.listener = ?", [receiver]).fetchone()
        try:
            return None if row is None else json.loads(row["what"])
        except (ValueError, TypeError, RecursionError):
            return str(row["what"])

    @_writes
    def set_sent(self, connection: Connection, receiver: str, what: dict[str, Any]) -> None:
        """A receiver was sent this."""
        connection.execute(SENT.put, {"listener": receiver, "what": json.dumps(what)})

    def good(self) -> str:
        """The last commit that was applied and proven; empty for none."""
        return self.reached().get(_FABRIC, "")

    def set_good(self, commit: str) -> None:
        """This commit was applied and proven."""
        self.set_reached([_FABRIC], commit)

    @_reads
    def reached(self, connection: Connection) -> dict[str, str]:
        """Router -> the commit that it was brought to last."""
        return {row["router"]: row["commit"] for row in connection.execute(PLACES.select)}

    @_writes
    def set_reached(self, connection: Connection, routers: Iterable[str], commit: str) -> None:
        """These routers are as this commit says."""
        connection.executemany(PLACES.put, [{"router": router, "commit": commit} for router in routers])

    @_reads
    def why_bad(self, connection: Connection, digest: str) -> str:
        """Why the desired state with this digest was rolled back; empty when it was not."""
        row = connection.execute(f"{BAD.select} WHERE bad.digest = ?", [digest]).fetchone()
        return "" if row is None else str(row["reason"])

    @_writes
    def mark_bad(self, connection: Connection, digest: str, commit: str, reason: str) -> None:
        """The desired state with this digest did not prove good; a commit that changes it has another."""
        connection.execute(
            'INSERT INTO bad (digest, "commit", reason) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
            [digest, commit, encodable(reason)],
        )

    @_writes
    def forgive(self, connection: Connection, commit: str) -> None:
        """Try a bad commit again, named by the beginning of its hash. Raises TunnelwrightError when it is not
        marked."""
        found = connection.execute(
            'DELETE FROM bad WHERE lower(substr(bad."commit", 1, length(:it))) = lower(:it)',
            {"it": encodable(commit)},
        )
        if not commit or found.rowcount == 0:
            raise TunnelwrightError(f"no commit {commit!r} is marked as bad")

    @_reads
    def accepted(self, connection: Connection) -> list[Acceptance]:
        """Commits that counted or that an operator has accepted, the latest first."""
        rows = connection.execute(f"{ACCEPTED.select} ORDER BY accepted.number DESC")
        return [_acceptance(row) for row in rows]

    @_writes
    def accept(self, connection: Connection, acceptance: Acceptance) -> None:
        """Remember who has accepted a commit, as the latest one; what was said of it before is replaced."""
        newest = connection.execute("SELECT max(accepted.number) FROM accepted").fetchone()[0] or 0
        at = acceptance.at.astimezone(UTC).isoformat()
        connection.execute(ACCEPTED.put, asdict(acceptance) | {"at": at, "number": newest + 1})
        connection.execute(
            'DELETE FROM accepted WHERE accepted."commit" NOT IN '
            '(SELECT accepted."commit" FROM accepted ORDER BY accepted.number DESC LIMIT ?)',
            [bounds.ACCEPTED_COMMITS],
        )

    def _is_made(self) -> bool:
        """Whether the file has its tables. Raises HistoryDamaged for one of a newer version."""
        if self._path is not None and not os.path.lexists(self._path):
            return False
        with self._begin("DEFERRED") as connection:
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if found > FORMAT:
                raise HistoryDamaged(f"{self._path} was written by a newer version of tunnelwright")
            there = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master")}
            return found == FORMAT and there >= {table.name for table in TABLES}

    def _make(self) -> None:
        if self._path is not None:
            with translated(self._path):
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        # All tables or none.
        with self._begin("IMMEDIATE") as connection:
            for table in TABLES:
                connection.execute(table.create)
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    def _read(self, work: Work[Answer]) -> Answer:
        with self._begin("DEFERRED") as connection:
            return work(connection)

    def _write(self, work: Work[Answer]) -> Answer:
        # What is read for it stays so: no other process writes before this one has.
        with self._begin("IMMEDIATE") as connection:
            return work(connection)

    @contextmanager
    def _begin(self, kind: str) -> Iterator[Connection]:
        """One transaction, undone by any error."""
        with translated(self._path), self._connection() as connection, connection:
            connection.execute(f"BEGIN {kind}")
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if self._in_memory is None:
            with closing(connection_to(self._path)) as connection:
                yield connection
        else:
            # It is one for all threads.
            with self._one_by_one:
                yield self._in_memory


_QUIET = {Result.IN_SYNC.value, Result.HELD.value}
_COMPARED = ("head", "in_force", "result", "message", "objects")
"""What of a run is not the same in the next one only where something has happened."""


def _same(last: Row, values: dict[str, Any]) -> bool:
    """Whether a run that found nothing to do tells what the last one has told. Raises HistoryDamaged."""
    _parsed(last)
    return values["result"] in _QUIET and all(values[name] == last[name] for name in _COMPARED)


def _values(record: RunRecord) -> dict[str, Any]:
    """The columns of a new row, which gets its number by itself."""
    objects = json.dumps([encode(event) for event in record.events])
    return run_summary(record) | {"objects": objects, "message": encodable(record.message), "id": None}


def _happened(event: TunnelEvent) -> dict[str, str]:
    """The row of what has happened to a tunnel."""
    return {
        "tunnel": event.tunnel,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "router": event.router,
        "child": encodable(event.child),
        "change": event.change.value,
        "object": json.dumps(tunnel_event(event)),
    }


def _checked(table: Table, row: Row) -> dict[str, Any]:
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
        _acceptance(row)
    return values


def _acceptance(row: Row) -> Acceptance:
    try:
        at = datetime.fromisoformat(row["at"])
    except (ValueError, TypeError) as error:
        raise HistoryDamaged(f"an acceptance in the history cannot be read: {error}") from error
    return Acceptance(row["commit"], at, row["by"], row["instead_of"], row["number"])


def _record(row: Row) -> RunRecord:
    """The run of a row. Raises HistoryDamaged."""
    _checked(RUNS, row)
    record, objects = _parsed(row)
    return replace(record, events=tuple(map(decode, objects)))


def _parsed(row: Row) -> tuple[RunRecord, list[dict[str, Any]]]:
    """The run of a row without its events, and the objects that tell them. Raises HistoryDamaged."""
    try:
        objects = json.loads(row["objects"])
        if not all(isinstance(item, dict) and isinstance(item.get("type"), str) for item in objects):
            raise ValueError("what it tells is no list of objects with a type")  # noqa: TRY301
        record = RunRecord(
            id=row["id"],
            started=datetime.fromisoformat(row["started"]).astimezone(UTC),
            finished=datetime.fromisoformat(row["finished"]).astimezone(UTC),
            trigger=row["trigger"],
            head=row["head"],
            in_force=row["in_force"],
            result=read_result(row["result"]),
            message=row["message"],
            repeats=row["repeats"],
        )
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise HistoryDamaged(f"run {row['id']} of the history cannot be read: {error}") from error
    return record, objects
