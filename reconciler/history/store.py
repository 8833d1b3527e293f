"""The history in a file: runs, counts, good and bad commits, each router's commit, who was told what."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Row
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from reconciler.model.errors import TunnelwrightError
from reconciler.model.record import Result, RunRecord
from reconciler.model.visible import encodable

FORMAT = 1
KEPT = 10_000
"""Runs that are kept; older ones go."""

_metadata = MetaData()
_runs = Table(
    "runs",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("started", String, nullable=False),
    Column("finished", String, nullable=False),
    Column("trigger", String, nullable=False),
    Column("head", String, nullable=False),
    Column("in_force", String, nullable=False),
    Column("result", String, nullable=False),
    Column("message", String, nullable=False),
    Column("objects", String, nullable=False),
    Column("repeats", Integer, nullable=False),
)
_bad = Table(
    "bad",
    _metadata,
    Column("digest", String, primary_key=True),
    Column("commit", String, nullable=False),
    Column("reason", String, nullable=False),
)
_places = Table(
    "places", _metadata, Column("router", String, primary_key=True), Column("commit", String, nullable=False)
)
_counts = Table(
    "counts",
    _metadata,
    Column("name", String, primary_key=True),
    Column("label", String, primary_key=True),
    Column("value", Float, nullable=False),
)
_told = Table(
    "told", _metadata, Column("listener", String, primary_key=True), Column("what", String, nullable=False)
)
_FABRIC = ""
"""In place of a router: the whole."""


class History:
    """One file, readable by its owner alone. Every method raises TunnelwrightError when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._engine = create_engine(
                f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 30}
            )
            event.listen(self._engine, "connect", _configure)
        with self._begin() as connection:
            found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
            if found > FORMAT:
                raise TunnelwrightError(f"{path} was written by a newer version of tunnelwright")
            _metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {FORMAT}")

    def add(self, record: RunRecord) -> int:
        """Keep a run; its number. One that found nothing to do counts as a repeat of such a one before."""
        with self._begin() as connection:
            last = connection.execute(select(_runs).order_by(_runs.c.id.desc()).limit(1)).first()
            if last is not None and _same(_record(last), record):
                connection.execute(
                    update(_runs)
                    .where(_runs.c.id == last.id)
                    .values(finished=record.finished.isoformat(), repeats=last.repeats + 1)
                )
                return int(last.id)
            number = connection.execute(insert(_runs).values(**_values(record))).inserted_primary_key
            newest = int(number[0]) if number is not None else 0
            connection.execute(delete(_runs).where(_runs.c.id <= newest - KEPT))
            return newest

    def runs(self, limit: int) -> list[RunRecord]:
        """The latest runs, newest first."""
        with self._begin() as connection:
            found = connection.execute(select(_runs).order_by(_runs.c.id.desc()).limit(limit))
            return [_record(row) for row in found]

    def run(self, number: int) -> RunRecord:
        """One run. Raises TunnelwrightError for a number that none has."""
        with self._begin() as connection:
            row = connection.execute(select(_runs).where(_runs.c.id == number)).first()
            last = connection.execute(select(func.max(_runs.c.id))).scalar()
        if row is None:
            raise TunnelwrightError(f"there is no run {number}", hint=f"the last one is {last or 'none'}")
        return _record(row)

    def last(self, results: Iterable[Result]) -> datetime | None:
        """When a run last ended in one of these ways."""
        wanted = select(func.max(_runs.c.finished)).where(_runs.c.result.in_([r.value for r in results]))
        with self._begin() as connection:
            found = connection.execute(wanted).scalar()
        return None if found is None else datetime.fromisoformat(str(found)).astimezone(UTC)

    def count(self, amounts: Mapping[tuple[str, str], float]) -> None:
        """Add to what is counted, by name and label."""
        with self._begin() as connection:
            for (name, label), amount in amounts.items():
                values = upsert(_counts).values(name=name, label=label, value=amount)
                connection.execute(
                    values.on_conflict_do_update(
                        index_elements=["name", "label"], set_={"value": _counts.c.value + amount}
                    )
                )

    def counts(self) -> dict[tuple[str, str], float]:
        """What was counted since the file was made."""
        with self._begin() as connection:
            return {(row.name, row.label): row.value for row in connection.execute(select(_counts))}

    def runs_after(self, number: int, limit: int) -> list[RunRecord]:
        """Runs with higher numbers, oldest first; of more than `limit` the newest."""
        with self._begin() as connection:
            later = select(_runs).where(_runs.c.id > number).order_by(_runs.c.id.desc()).limit(limit)
            return [_record(row) for row in connection.execute(later)][::-1]

    def told(self, listener: str) -> dict[str, Any]:
        """What a listener was told last; empty for nothing."""
        with self._begin() as connection:
            found = connection.execute(select(_told.c.what).where(_told.c.listener == listener)).scalar()
        return dict(json.loads(found)) if found else {}

    def set_told(self, listener: str, what: dict[str, Any]) -> None:
        """A listener knows this now."""
        with self._begin() as connection:
            values = upsert(_told).values(listener=listener, what=json.dumps(what))
            connection.execute(
                values.on_conflict_do_update(index_elements=["listener"], set_={"what": json.dumps(what)})
            )

    def good(self) -> str:
        """The last commit that was applied and proven; empty for none."""
        return self.reached().get(_FABRIC, "")

    def set_good(self, commit: str) -> None:
        """This commit was applied and proven."""
        self.set_reached([_FABRIC], commit)

    def reached(self) -> dict[str, str]:
        """Router -> the commit that it was brought to last."""
        with self._begin() as connection:
            return {row.router: row.commit for row in connection.execute(select(_places))}

    def set_reached(self, routers: Iterable[str], commit: str) -> None:
        """These routers are as this commit says."""
        with self._begin() as connection:
            for router in routers:
                values = upsert(_places).values(router=router, commit=commit)
                connection.execute(
                    values.on_conflict_do_update(index_elements=["router"], set_={"commit": commit})
                )

    def why_bad(self, digest: str) -> str:
        """Why the desired state with this digest was taken back; empty when it was not."""
        with self._begin() as connection:
            found = connection.execute(select(_bad.c.reason).where(_bad.c.digest == digest)).scalar()
        return str(found or "")

    def mark_bad(self, digest: str, commit: str, reason: str) -> None:
        """The desired state with this digest did not prove good; a commit that changes it has another."""
        with self._begin() as connection:
            values = upsert(_bad).values(digest=digest, commit=commit, reason=encodable(reason))
            connection.execute(values.on_conflict_do_nothing())

    def forgive(self, commit: str) -> None:
        """Try a bad commit again. Raises TunnelwrightError when it is not marked."""
        with self._begin() as connection:
            found = connection.execute(delete(_bad).where(_bad.c.commit.startswith(commit, autoescape=True)))
        if not commit or found.rowcount == 0:
            raise TunnelwrightError(f"no commit {commit!r} is marked as bad")

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with self._errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            words = str(getattr(error, "orig", None) or error)
            raise TunnelwrightError(f"cannot use the history {self._path}: {words}") from error
        except OSError as error:
            raise TunnelwrightError(f"cannot use the history {self._path}: {error.strerror}") from error


def _configure(connection: object, _: object) -> None:
    """A reader does not hold up the writer, and a crash loses at most the last run."""
    cursor = connection.cursor()  # type: ignore[attr-defined]  # the driver's own, which has no types
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


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


def _record(row: Row[tuple[object, ...]]) -> RunRecord:
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
