"""A YAML stream as a source of documents: what another program writes to standard input."""

from __future__ import annotations

from dataclasses import replace
from typing import IO, Final

from reconciler.load.bounded import read_stream
from reconciler.load.documents import Loaded, Source
from reconciler.load.reading import Composed, read
from reconciler.model.bounds import FILE_BYTES
from reconciler.model.diagnostic import Diagnostics

STANDARD_INPUT: Final = "standard input"
"""The name of the file that it is, in findings."""


def load_stream(stream: IO[bytes], *, composed: Composed | None = None) -> Loaded:
    """Read every document of a stream, up to its end. There is no lock file in it, and no encrypted key.

    `composed` is shared as with `load_revision`. Raises SourceUnavailable for more than one file may have.
    """
    content = read_stream(stream, STANDARD_INPUT, FILE_BYTES)
    loaded = read({STANDARD_INPUT: content}, Source(STANDARD_INPUT, ""), Diagnostics(), composed)
    return replace(loaded, lock_file="")
