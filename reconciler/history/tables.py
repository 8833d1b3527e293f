"""The tables of the history's file, and the statements that are the same for each of them."""

from __future__ import annotations

from dataclasses import dataclass

FORMAT = 2
"""The version of these tables, which is the `user_version` of the file."""

Kind = type[str] | type[int] | type[float]
"""What the values of a column are in Python."""
_TYPES: dict[Kind, str] = {str: "VARCHAR", int: "INTEGER", float: "FLOAT"}


@dataclass(frozen=True)
class Table:
    """One table: the columns by which one row differs from the others, all of them together, and the rest. No
    value is missing."""

    name: str
    keys: dict[str, Kind]
    rest: dict[str, Kind]

    @property
    def columns(self) -> dict[str, Kind]:
        """All of them, in their order in the file."""
        return self.keys | self.rest

    @property
    def create(self) -> str:
        """The statement that makes it, in a file that lacks it: one of an older version has fewer tables."""
        columns = ", ".join(f'"{name}" {_TYPES[kind]} NOT NULL' for name, kind in self.columns.items())
        return f'CREATE TABLE IF NOT EXISTS "{self.name}" ({columns}, PRIMARY KEY ({_listed(self.keys)}))'

    @property
    def select(self) -> str:
        """The statement, or its beginning, that asks for whole rows."""
        # SQLite takes a quoted name that it does not know for a text, unless it stands behind its table's.
        columns = ", ".join(f'{self.name}."{name}"' for name in self.columns)
        return f'SELECT {columns} FROM "{self.name}"'  # noqa: S608 - names of this module

    @property
    def put(self) -> str:
        """The statement that keeps a row, given by column names, in place of one with the same keys."""
        values = ", ".join(f":{name}" for name in self.columns)
        return f'INSERT OR REPLACE INTO "{self.name}" ({_listed(self.columns)}) VALUES ({values})'  # noqa: S608

    @property
    def clear(self) -> str:
        """The statement that takes all rows away."""
        return f'DELETE FROM "{self.name}"'  # noqa: S608 - a name of this module


def _listed(columns: dict[str, Kind]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _texts(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, str)


RUNS = Table(
    "runs",
    {"id": int},
    _texts("started", "finished", "trigger", "head", "in_force", "result", "message", "objects")
    | {"repeats": int},
)
BAD = Table("bad", _texts("digest"), _texts("commit", "reason"))
PLACES = Table("places", _texts("router"), _texts("commit"))
COUNTS = Table("counts", _texts("name", "label"), {"value": float})
SENT = Table("sent", _texts("receiver"), _texts("what"))
ACCEPTED = Table("accepted", _texts("commit"), _texts("at", "by", "instead_of") | {"number": int})
TUNNEL_EVENTS = Table("tunnel_events", _texts("tunnel", "at", "router", "child", "change"), _texts("object"))
ARMINGS = Table("armings", _texts("arming"), _texts("digest", "commit", "blame") | {"number": int})
CARRIAGES = Table("carriages", _texts("connection"), _texts("object"))
LAST_CHANGES = Table("last_changes", _texts("connection"), _texts("at", "commit", "author"))
TABLES = (RUNS, BAD, PLACES, COUNTS, SENT, ACCEPTED, TUNNEL_EVENTS, ARMINGS, CARRIAGES, LAST_CHANGES)
RENAMED = {
    "told": (
        f'ALTER TABLE "told" RENAME TO "{SENT.name}"',
        f'ALTER TABLE "{SENT.name}" RENAME COLUMN "listener" TO "receiver"',
        "UPDATE counts SET name = 'sent_records_unreadable' WHERE name = 'told_forgotten'",
    ),
    "touched": (f'ALTER TABLE "touched" RENAME TO "{LAST_CHANGES.name}"',),
    "happened": (f'ALTER TABLE "happened" RENAME TO "{TUNNEL_EVENTS.name}"',),
    "carried": (f'ALTER TABLE "carried" RENAME TO "{CARRIAGES.name}"',),
}
"""A table of format 1 -> the statements that give it, and what belongs to it, the names of format 2. Each
is done where the table is: files of that format need not have all of them."""
