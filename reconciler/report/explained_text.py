"""The effective values of a tunnel end with what says them, for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.explanation import Explained
from reconciler.report.line import Line


def explained_lines(tunnel: str, values: Iterable[Explained]) -> Iterator[Line]:
    """A heading, and a line for each value: its field, the value, its place, and the document there."""
    rows = [(item.field, item.value, str(item.location or "-"), item.document) for item in values]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    yield Line(tunnel, "bold")
    for *cells, document in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield Line(f"  {'  '.join(padded)}  {document}")
