"""A file of this machine, read up to a bound: its size does not show how much comes out of a device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from reconciler.model.bounds import MIB
from reconciler.model.errors import SourceUnavailable
from reconciler.model.listing import counted


def read_bounded(path: Path, most: int) -> bytes:
    """The whole content. Raises SourceUnavailable for a file of more than `most` bytes, and for one that
    cannot be read."""
    try:
        with path.open("rb") as file:
            return read_stream(file, str(path), most)
    except (OSError, ValueError) as error:
        raise _unreadable(str(path), error) from error


def read_stream(stream: IO[bytes], name: str, most: int) -> bytes:
    """The whole content of what is open. Raises SourceUnavailable as `read_bounded` does."""
    try:
        content = b"".join(_pieces(stream, most + 1))
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    if len(content) > most:
        raise SourceUnavailable(f"{name} has more than {counted(most, 'byte')}, the maximum size")
    return content


def _unreadable(name: str, error: OSError | ValueError) -> SourceUnavailable:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return SourceUnavailable(f"cannot read {name}: {reason}")


def _pieces(file: IO[bytes], most: int) -> Iterator[bytes]:
    """Piece by piece: to read `most` bytes at once takes that much memory, however little there is."""
    while most > 0 and (piece := file.read(min(MIB, most))):
        most -= len(piece)
        yield piece
