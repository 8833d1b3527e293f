"""A run to keep, and ways in which the file of a history is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from reconciler.model.record import Result, RunRecord
from tests.unit.service.followed import Followed

NOW = datetime(2026, 11, 25, tzinfo=UTC)
RUN = RunRecord(NOW, NOW, "once", "a" * 40, "a" * 40, Result.CHANGED, "why")

Damage = Callable[[Path], None]


def garbage(path: Path) -> None:
    path.write_bytes(b"\x07garbage" * 20_000)


def changed(*statements: str) -> Damage:
    """It is a database still, and another one."""

    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return damage


def history_of(site: Followed) -> Path:
    return site.folder / "state" / "history.db"


def aside(site: Followed) -> list[Path]:
    return sorted(history_of(site).parent.glob("history.damaged-*.db"))
