"""The history's SQLite file: opening it, creating it in one process at a time, and finding damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from reconciler.doors.files import turn_of
from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError

_BROKEN = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_NOTADB}
"""What SQLite says of a file that is no database, or has other tables than ours. What else it says is of
the machine (https://sqlite.org/rescode.html)."""


class HistoryUnusable(TunnelwrightError):
    """The history cannot be read or written now: it is locked, or the disk is full, or not ours to write."""

    retryable = True


class HistoryDamaged(HistoryUnusable):
    """What is in the file is no history, or one of a newer version."""

    retryable = False


@contextmanager
def translated(path: Path | None) -> Iterator[None]:
    """What SQLite and the machine say of the file, as HistoryDamaged or HistoryUnusable."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        # The driver itself gives no code for text that is not UTF-8.
        text = code is None and isinstance(error, sqlite3.OperationalError)
        kind = HistoryDamaged if text or (code or 0) & 0xFF in _BROKEN else HistoryUnusable
        raise kind(f"cannot use the history {path}: {error}") from error
    except OSError as error:
        raise HistoryUnusable(f"cannot use the history {path}: {error.strerror}") from error


@contextmanager
def made_by_one(path: Path | None) -> Iterator[None]:
    """Exclude other processes that make the file, or set it aside; in memory there are none.

    Raises HistoryUnusable.
    """
    if path is None:
        yield
        return
    with turn_of(
        path,
        bounds.HISTORY_SECONDS,
        lambda why: HistoryUnusable(f"cannot use the history {path}: {why}"),
        busy="another process is creating it",
    ):
        yield


def connection_to(path: Path | None) -> sqlite3.Connection:
    """A connection to a file that is there; or to what is in memory as long as the connection is.

    Its rows are known by the names of their columns, and it begins no transaction by itself.
    Raises sqlite3.Error.
    """
    if path is None:
        return _rows_by_name(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
    address = f"file:{quote(str(path))}?mode=rw"
    made = sqlite3.connect(address, uri=True, timeout=bounds.HISTORY_SECONDS, isolation_level=None)
    try:
        # A reader does not hold up the writer, and a crash loses at most the last run.
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        made.close()
        raise
    return _rows_by_name(made)


def _rows_by_name(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.row_factory = sqlite3.Row
    return connection
