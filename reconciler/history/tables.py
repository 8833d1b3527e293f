"""The tables of the history's file."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Float, Integer, MetaData, String, Table

FORMAT = 1
"""The version of these tables, which the file tells."""


def _keys(*names: str) -> Iterator[Column[str]]:
    """What tells one row from the others, all of it together."""
    return (Column(name, String, primary_key=True) for name in names)


def _texts(*names: str) -> Iterator[Column[str]]:
    return (Column(name, String, nullable=False) for name in names)


METADATA = MetaData()
RUNS = Table(
    "runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    *_texts("started", "finished", "trigger", "head", "in_force", "result", "message", "objects"),
    Column("repeats", Integer, nullable=False),
)
BAD = Table("bad", METADATA, *_keys("digest"), *_texts("commit", "reason"))
PLACES = Table("places", METADATA, *_keys("router"), *_texts("commit"))
COUNTS = Table("counts", METADATA, *_keys("name", "label"), Column("value", Float, nullable=False))
TOLD = Table("told", METADATA, *_keys("listener"), *_texts("what"))
ACCEPTED = Table(
    "accepted",
    METADATA,
    *_keys("commit"),
    *_texts("at", "by", "instead_of"),
    Column("number", Integer, nullable=False),
)
