"""The tables of the history's file."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, String, Table

FORMAT = 1
"""The version of these tables, which the file tells."""

METADATA = MetaData()
RUNS = Table(
    "runs",
    METADATA,
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
BAD = Table(
    "bad",
    METADATA,
    Column("digest", String, primary_key=True),
    Column("commit", String, nullable=False),
    Column("reason", String, nullable=False),
)
PLACES = Table(
    "places", METADATA, Column("router", String, primary_key=True), Column("commit", String, nullable=False)
)
COUNTS = Table(
    "counts",
    METADATA,
    Column("name", String, primary_key=True),
    Column("label", String, primary_key=True),
    Column("value", Float, nullable=False),
)
TOLD = Table(
    "told", METADATA, Column("listener", String, primary_key=True), Column("what", String, nullable=False)
)
ACCEPTED = Table(
    "accepted",
    METADATA,
    Column("commit", String, primary_key=True),
    Column("at", String, nullable=False),
    Column("by", String, nullable=False),
    Column("instead_of", String, nullable=False),
    Column("number", Integer, nullable=False),
)
