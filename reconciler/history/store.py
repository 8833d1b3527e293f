"""The history in a file: runs, counts, good and bad commits, each router's commit, who was told what."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Table, delete, func, insert, inspect, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Row

from reconciler.history.file import HistoryDamaged, engine, made_by_one, translated
from reconciler.history.tables import ACCEPTED, BAD, COUNTS, FORMAT, METADATA, PLACES, RUNS, TOLD
from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.record import Acceptance, Result, RunRecord
from reconciler.model.visible import encodable

Answer = TypeVar("Answer")
Words = ParamSpec("Words")
Work = Callable[[Connection], Answer]
Contents = dict[str, list[dict[str, Any]]]
"""The rows of each table."""

_FABRIC = ""
"""In place of a router: the whole."""


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
        self._engine = engine(path)
        # Two processes may find that there is none: the second one finds what the first has made.
        with made_by_one(path) if make else nullcontext():
            if not self._is_made():
                if not make:
                    raise HistoryDamaged(f"{path} is not a history")
                self._make()

    @_reads
    def contents(self, connection: Connection) -> Contents:
        """All of it, but of the runs only the latest, as far as they are to be kept in memory."""
        found: Contents = {
            table.name: [_checked(table, row) for row in connection.execute(select(table))]
            for table in METADATA.sorted_tables
            if table is not RUNS
        }
        room = bounds.RECORDS_IN_MEMORY
        runs: list[dict[str, Any]] = []
        latest = select(RUNS).order_by(RUNS.c.id.desc()).limit(bounds.RUNS_IN_MEMORY)
        for row in connection.execute(latest):
            values = _checked(RUNS, row)
            _record(row)
            room -= len(row.objects)
            if room < 0:
                break
            runs.append(values)
        return {**found, RUNS.name: runs[::-1]}

    @_writes
    def pour(self, connection: Connection, contents: Contents) -> None:
        """Put rows here, in place of those with the same keys."""
        for table in METADATA.sorted_tables:
            if contents.get(table.name):
                connection.execute(insert(table).prefix_with("OR REPLACE"), contents[table.name])

    @_writes
    def replace_with(self, connection: Connection, contents: Contents) -> None:
        """Let the tables that are named hold these rows and no others."""
        for table in METADATA.sorted_tables:
            if table.name in contents:
                connection.execute(delete(table))
                if contents[table.name]:
                    connection.execute(insert(table).prefix_with("OR REPLACE"), contents[table.name])

    @_writes
    def add(self, connection: Connection, record: RunRecord) -> int:
        """Keep a run; its number. One that found nothing to do counts as a repeat of such a one before."""
        last = connection.execute(select(RUNS).order_by(RUNS.c.id.desc()).limit(1)).first()
        if last is not None and _same(_record(last), record):
            connection.execute(
                update(RUNS)
                .where(RUNS.c.id == last.id)
                .values(finished=record.finished.isoformat(), repeats=last.repeats + 1)
            )
            return int(last.id)
        number = connection.execute(insert(RUNS).values(**_values(record))).inserted_primary_key
        newest = int(number[0]) if number is not None else 0
        connection.execute(delete(RUNS).where(RUNS.c.id <= newest - bounds.RUNS_KEPT))
        return newest

    @_reads
    def runs(self, connection: Connection, limit: int) -> list[RunRecord]:
        """The latest runs, newest first."""
        found = connection.execute(select(RUNS).order_by(RUNS.c.id.desc()).limit(limit))
        return [_record(row) for row in found]

    @_reads
    def run(self, connection: Connection, number: int) -> RunRecord:
        """One run. Raises TunnelwrightError for a number that none has."""
        row = connection.execute(select(RUNS).where(RUNS.c.id == number)).first()
        last = connection.execute(select(func.max(RUNS.c.id))).scalar()
        if row is None:
            raise TunnelwrightError(f"there is no run {number}", hint=f"the latest is {last or 'none'}")
        return _record(row)

    @_reads
    def last(self, connection: Connection, results: Iterable[Result]) -> datetime | None:
        """When a run last ended in one of these ways."""
        ended = RUNS.c.result.in_([result.value for result in results])
        # The latest is the one with the highest number: clocks are set back.
        wanted = select(RUNS.c.finished).where(ended).order_by(RUNS.c.id.desc()).limit(1)
        found = connection.execute(wanted).scalar()
        return None if found is None else datetime.fromisoformat(str(found)).astimezone(UTC)

    @_writes
    def count(self, connection: Connection, amounts: Mapping[tuple[str, str], float]) -> None:
        """Add to what is counted, by name and label."""
        for (name, label), amount in amounts.items():
            values = upsert(COUNTS).values(name=name, label=label, value=amount)
            connection.execute(
                values.on_conflict_do_update(
                    index_elements=["name", "label"], set_={"value": COUNTS.c.value + amount}
                )
            )

    @_reads
    def counts(self, connection: Connection) -> dict[tuple[str, str], float]:
        """What was counted since the file was made."""
        return {(row.name, row.label): row.value for row in connection.execute(select(COUNTS))}

    @_reads
    def runs_after(self, connection: Connection, number: int, limit: int) -> list[RunRecord]:
        """Runs with higher numbers, oldest first; of more than `limit` the newest."""
        later = select(RUNS).where(RUNS.c.id > number).order_by(RUNS.c.id.desc()).limit(limit)
        return [_record(row) for row in connection.execute(later)][::-1]

    @_reads
    def told(self, connection: Connection, listener: str) -> object:
        """What a listener was told last, of whatever shape: who reads it judges that. None for nothing; what
        is no JSON is its text."""
        found = connection.execute(select(TOLD.c.what).where(TOLD.c.listener == listener)).scalar()
        try:
            return None if found is None else json.loads(found)
        except (ValueError, TypeError, RecursionError):
            return str(found)

    @_writes
    def set_told(self, connection: Connection, listener: str, what: dict[str, Any]) -> None:
        """A listener knows this now."""
        values = upsert(TOLD).values(listener=listener, what=json.dumps(what))
        connection.execute(
            values.on_conflict_do_update(index_elements=["listener"], set_={"what": json.dumps(what)})
        )

    def good(self) -> str:
        """The last commit that was applied and proven; empty for none."""
        return self.reached().get(_FABRIC, "")

    def set_good(self, commit: str) -> None:
        """This commit was applied and proven."""
        self.set_reached([_FABRIC], commit)

    @_reads
    def reached(self, connection: Connection) -> dict[str, str]:
        """Router -> the commit that it was brought to last."""
        return {row.router: row.commit for row in connection.execute(select(PLACES))}

    @_writes
    def set_reached(self, connection: Connection, routers: Iterable[str], commit: str) -> None:
        """These routers are as this commit says."""
        for router in routers:
            values = upsert(PLACES).values(router=router, commit=commit)
            connection.execute(
                values.on_conflict_do_update(index_elements=["router"], set_={"commit": commit})
            )

    @_reads
    def why_bad(self, connection: Connection, digest: str) -> str:
        """Why the desired state with this digest was rolled back; empty when it was not."""
        found = connection.execute(select(BAD.c.reason).where(BAD.c.digest == digest)).scalar()
        return str(found or "")

    @_writes
    def mark_bad(self, connection: Connection, digest: str, commit: str, reason: str) -> None:
        """The desired state with this digest did not prove good; a commit that changes it has another."""
        values = upsert(BAD).values(digest=digest, commit=commit, reason=encodable(reason))
        connection.execute(values.on_conflict_do_nothing())

    @_writes
    def forgive(self, connection: Connection, commit: str) -> None:
        """Try a bad commit again. Raises TunnelwrightError when it is not marked."""
        found = connection.execute(delete(BAD).where(BAD.c.commit.startswith(commit, autoescape=True)))
        if not commit or found.rowcount == 0:
            raise TunnelwrightError(f"no commit {commit!r} is marked as bad")

    @_reads
    def accepted(self, connection: Connection) -> list[Acceptance]:
        """Commits that counted or that an operator has accepted, the latest first."""
        rows = connection.execute(select(ACCEPTED).order_by(ACCEPTED.c.number.desc()))
        return [_acceptance(row) for row in rows]

    @_writes
    def accept(self, connection: Connection, acceptance: Acceptance) -> None:
        """Remember who has accepted a commit, as the latest one; what was said of it before is replaced."""
        newest = connection.execute(select(func.max(ACCEPTED.c.number))).scalar() or 0
        at = acceptance.at.astimezone(UTC).isoformat()
        values = asdict(acceptance) | {"at": at, "number": newest + 1}
        row = upsert(ACCEPTED).values(**values)
        connection.execute(row.on_conflict_do_update(index_elements=["commit"], set_=values))
        kept = select(ACCEPTED.c.commit).order_by(ACCEPTED.c.number.desc()).limit(bounds.ACCEPTED_COMMITS)
        connection.execute(delete(ACCEPTED).where(ACCEPTED.c.commit.not_in(kept)))

    def _is_made(self) -> bool:
        """Whether the file has its tables. Raises HistoryDamaged for one of a newer version."""
        if self._path is not None and not os.path.lexists(self._path):
            return False
        with self._begin() as connection:
            found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
            if found > FORMAT:
                raise HistoryDamaged(f"{self._path} was written by a newer version of tunnelwright")
            return found == FORMAT and set(METADATA.tables) <= set(inspect(connection).get_table_names())

    def _make(self) -> None:
        if self._path is not None:
            with translated(self._path):
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        with self._begin() as connection:
            # All tables or none.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            METADATA.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {FORMAT}")

    def _read(self, work: Work[Answer]) -> Answer:
        with self._begin() as connection:
            return work(connection)

    def _write(self, work: Work[Answer]) -> Answer:
        with self._begin() as connection:
            return work(connection)

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        # What is in memory has one connection for all threads.
        with self._one_by_one if self._path is None else nullcontext(), translated(self._path):  # noqa: SIM117
            with self._engine.begin() as connection:
                yield connection


def _same(last: RunRecord, record: RunRecord) -> bool:
    quiet = {Result.IN_SYNC, Result.HELD}
    alike = replace(
        record,
        id=last.id,
        started=last.started,
        finished=last.finished,
        repeats=last.repeats,
        trigger=last.trigger,
    )
    return record.result in quiet and alike == last


def _values(record: RunRecord) -> dict[str, Any]:
    """The columns of a new row, which gets its number by itself."""
    columns = record.summary() | {"objects": json.dumps(record.objects), "message": encodable(record.message)}
    del columns["id"]
    return columns


def _checked(table: Table, row: Row[Any]) -> dict[str, Any]:
    """A row, of which every value is of its column's type: SQLite keeps others too.

    What a listener was told is judged by who reads it. Raises HistoryDamaged.
    """
    values = dict(row._mapping)
    for column in table.columns if table is not TOLD else ():
        if not isinstance(values[column.name], column.type.python_type):
            raise HistoryDamaged(f"a row of {table.name} in the history cannot be read: {column.name}")
    if table is ACCEPTED:
        _acceptance(row)
    return values


def _acceptance(row: Row[Any]) -> Acceptance:
    try:
        at = datetime.fromisoformat(row.at)
    except (ValueError, TypeError) as error:
        raise HistoryDamaged(f"an acceptance in the history cannot be read: {error}") from error
    return Acceptance(row.commit, at, row.by, row.instead_of, row.number)


def _record(row: Row[tuple[object, ...]]) -> RunRecord:
    try:
        return RunRecord(
            id=row.id,
            started=datetime.fromisoformat(row.started).astimezone(UTC),
            finished=datetime.fromisoformat(row.finished).astimezone(UTC),
            trigger=row.trigger,
            head=row.head,
            in_force=row.in_force,
            result=Result(row.result),
            message=row.message,
            objects=tuple(json.loads(row.objects)),
            repeats=row.repeats,
        )
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise HistoryDamaged(f"run {row.id} of the history cannot be read: {error}") from error
