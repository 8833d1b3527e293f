"""The file of the history as a database: its tables, and one transaction for each method."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from sqlite3 import Connection
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

from reconciler.history.file import HistoryDamaged, connection_to, made_by_one, translated
from reconciler.history.tables import FORMAT, RENAMED, TABLES

Answer = TypeVar("Answer")
Words = ParamSpec("Words")
Work = Callable[[Connection], Answer]


def reads(
    method: Callable[Concatenate[Any, Connection, Words], Answer],
) -> Callable[Concatenate[Any, Words], Answer]:
    """A method that asks, and changes nothing."""

    @wraps(method)
    def asking(self: Any, /, *args: Words.args, **kwargs: Words.kwargs) -> Answer:  # noqa: ANN401
        answer: Answer = self.read(lambda connection: method(self, connection, *args, **kwargs))
        return answer

    return asking


def writes(
    method: Callable[Concatenate[Any, Connection, Words], Answer],
) -> Callable[Concatenate[Any, Words], Answer]:
    """A method that changes something, wholly or not at all."""

    @wraps(method)
    def changing(self: Any, /, *args: Words.args, **kwargs: Words.kwargs) -> Answer:  # noqa: ANN401
        answer: Answer = self.write(lambda connection: method(self, connection, *args, **kwargs))
        return answer

    return changing


class Database:
    """One file, readable by its owner alone; without a path it is in memory. Every method raises
    HistoryUnusable, or HistoryDamaged, when it cannot be used.
    """

    def __init__(self, path: Path | None, *, make: bool = True) -> None:
        """Without `make` the file is there already, and its caller excludes other processes."""
        self._path = path
        self._one_by_one = RLock()
        self._in_memory = connection_to(None) if path is None else None
        # Two processes may find that there is none: the second one finds what the first has made.
        with made_by_one(path) if make else nullcontext():
            found, whole = self._found()
            if not (found or make):
                raise HistoryDamaged(f"{path} is not a history")
            if not whole:
                self._make()

    def _found(self) -> tuple[int, bool]:
        """The format of the file, 0 for none, and whether it has all tables of this one.

        Raises HistoryDamaged for one of a newer version.
        """
        if self._path is not None and not os.path.lexists(self._path):
            return 0, False
        with self._begin("DEFERRED") as connection:
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if found > FORMAT:
                raise HistoryDamaged(f"{self._path} was written by a newer version of tunnelwright")
            whole = found == FORMAT and _tables(connection) >= {table.name for table in TABLES}
            return found, whole

    def _make(self) -> None:
        if self._path is not None:
            with translated(self._path):
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        # All tables or none.
        with self._begin("IMMEDIATE") as connection:
            for former in RENAMED.keys() & _tables(connection):
                for statement in RENAMED[former]:
                    connection.execute(statement)
            for table in TABLES:
                connection.execute(table.create)
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    def read(self, work: Work[Answer]) -> Answer:
        """What `work` gives, which changes nothing."""
        with self._begin("DEFERRED") as connection:
            return work(connection)

    def write(self, work: Work[Answer]) -> Answer:
        """What `work` gives, which changes something, wholly or not at all."""
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


def _tables(connection: Connection) -> set[str]:
    """The names of all tables."""
    return {row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
