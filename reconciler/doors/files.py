"""Files that this program keeps on its own machine: written whole or not at all, by one process at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_LOOK = 0.1
"""Seconds between two looks whether it is our turn, or whether to stop."""


def replace_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file completely or not at all; until then only its owner can read it. Who has the one before
    it open reads that one.

    Raises OSError.
    """
    # mkstemp makes it 0600.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            # A new name for what is not on the disk yet would be an empty file after a power failure.
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def usual_mode() -> int:
    """The mode of a new file that is no secret, as the user's umask says."""
    umask = os.umask(0o077)
    os.umask(umask)
    return 0o666 & ~umask


@contextmanager
def turn_of(
    path: Path,
    seconds: float,
    refused: Callable[[str], Exception],
    *,
    busy: str = "another process uses it",
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Work at a file or folder while no other process does. The lock stands beside it, in `.lock`, for its
    owner alone, as does the folder where it is made.

    Raises what `refused` makes of the reason: `busy` when others have it for that many seconds, or when
    `stopping` says so; else the machine's own words.
    """
    lock = FileLock(path.with_suffix(".lock"), seconds, mode=0o600, thread_local=False)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(poll_interval=_LOOK, cancel_check=stopping)
    except Timeout as error:
        raise refused(busy) from error
    except OSError as error:
        raise refused(error.strerror or str(error)) from error
    try:
        yield
    finally:
        lock.release()
