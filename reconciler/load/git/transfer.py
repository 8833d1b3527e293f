"""A transfer from a remote, which is watched: by its stalls, its time and its bytes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.doors.processes import Running, Timeouts, decoded, never
from reconciler.load.git.process import GitFailed, check, started
from reconciler.model.bounds import FETCH_BYTES, FETCH_SECONDS, FETCH_STALL, GIT_ANSWER
from reconciler.model.listing import counted

_HEADS: Final = "refs/heads/"
_PACKS: Final = "objects/pack"
_UNFINISHED: Final = "tmp_"
"""What the names of files begin with that Git leaves behind when it is ended while it receives them."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How a transfer is watched: its bounds, who receives its progress, and who may end it."""

    stall: float = FETCH_STALL
    total: float = FETCH_SECONDS
    most: int = FETCH_BYTES
    progress: Callable[[str], None] = lambda _: None
    report_every: float = 10.0
    """Seconds between two words about the progress."""
    stopping: Callable[[], bool] = never


def fetch(git_dir: Path, remote: str, refspec: str, options: Sequence[str], watch: Watch) -> None:
    """Transfer what `refspec` names into a bare repository.

    Raises GitFailed also when nothing comes for too long, or too much does, and GitStopped.
    """
    words = ["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--prune", *options]
    before = _packs(git_dir)
    try:
        with started([*words, "--end-of-options", remote, refspec], git_dir, away=True) as child:
            _receive(child, git_dir, before, watch)
    except GitFailed:
        for name in _packs(git_dir):
            if name not in before and name.startswith(_UNFINISHED):
                (git_dir / _PACKS / name).unlink(missing_ok=True)
        raise


def branches(git_dir: Path, remote: str, watch: Watch) -> list[str]:
    """The names of a remote's branches. Raises GitFailed, and GitStopped."""
    answer = bytearray()
    words = ("ls-remote", "--heads", "--end-of-options", remote)
    with started(words, git_dir, away=True) as child:
        for is_error, chunk in child.chunks(Timeouts(watch.stall, watch.total), watch.stopping):
            answer += b"" if is_error else chunk
            if len(answer) > GIT_ANSWER:
                raise GitFailed(f"git ls-remote wrote more than {GIT_ANSWER} bytes")
        check(child, words[0])
    lines = answer.decode(errors="backslashreplace").splitlines()
    return [line.partition("\t")[2].removeprefix(_HEADS) for line in lines]


def _receive(child: Running, git_dir: Path, before: Mapping[str, int], watch: Watch) -> None:
    looked = reported = time.monotonic()
    for is_error, chunk in child.chunks(Timeouts(watch.stall, watch.total), watch.stopping):
        now = time.monotonic()
        if now > looked + 1:
            looked = now
            if sum(size for name, size in _packs(git_dir).items() if name not in before) > watch.most:
                raise GitFailed(f"more than {counted(watch.most, 'byte')} were received in one transfer")
        if is_error and now > reported + watch.report_every:
            reported = now
            watch.progress(_last(chunk))
    check(child, "fetch")


def _packs(git_dir: Path) -> dict[str, int]:
    """The files of packs with their bytes, those that are being received included."""
    found: dict[str, int] = {}
    with suppress(OSError):
        for entry in os.scandir(git_dir / _PACKS):
            with suppress(OSError):
                found[entry.name] = entry.stat().st_size
    return found


def _last(chunk: bytes) -> str:
    lines = [line.strip() for line in chunk.replace(b"\r", b"\n").split(b"\n") if line.strip()]
    return decoded(lines[-1])[:200] if lines else ""
