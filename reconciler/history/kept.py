"""The history of a running service: damage to its file costs at most older records.

All that decisions need, and the latest runs, are in memory too. While the file cannot be used, memory is what
is read and written; as soon as it can, it gets what is new. What another process has changed in
it since (`history --forgive`, `--accept`) stays. A file that is damaged is set aside for a person, and a new
one is begun from memory.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

from reconciler.history.database import Answer, Work
from reconciler.history.file import HistoryDamaged, HistoryUnusable, made_by_one
from reconciler.history.store import Contents, History
from reconciler.history.tables import SENT
from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.isolation import attempt
from reconciler.model.record import RunRecord

_log = logging.getLogger("tunnelwright.history")
_BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside its file."""


class Kept(History):
    """A history that can always be used: no method raises HistoryUnusable."""

    def __init__(self, path: Path) -> None:
        self._file = path
        self._disk: History | None = None
        """None while the file cannot be used."""
        self._memory = History(None)
        self._known = False
        """Whether memory has what the file had before this process."""
        self._left: Contents = {}
        """What the file had when it was used last, as far as this process knows."""
        self._used = 0
        """The inode of the file that was used last."""
        self._trouble = ""
        self._said: list[str] = []
        self._changing = RLock()
        self.set_aside = 0
        """How many damaged files this process has set aside."""
        self.settle()

    @property
    def is_written(self) -> bool:
        """Whether the file has all that memory has."""
        return self._disk is not None

    def complaints(self) -> list[str]:
        """What there is to say of the file: what was done since it was asked last, and what lasts."""
        said, self._said = self._said, []
        lasting = f"{self._trouble}; new data is kept in memory until then"
        return [*said, lasting] if self._trouble else said

    def settle(self) -> None:
        """Use the file again, when it could not be used."""
        with self._changing:
            if self._disk is None and not self._open() and not self._trouble:
                # What was there is set aside.
                self._open()

    def add(self, record: RunRecord) -> int:
        """Keep a run; its number."""
        with self._changing:
            number = super().add(record)
            # What others write (`history --forgive`) is in the file alone; and memory is bounded.
            self._memory.replace_with(self.contents())
            return int(number)

    def counts(self) -> dict[tuple[str, str], float]:
        """What was counted. From memory: a scrape waits for no disk."""
        return self._memory.counts()

    def read(self, work: Work[Answer]) -> Answer:
        """What `work` gives of the file; of memory while the file cannot be used."""
        used = self._disk
        found = self._on_disk(lambda disk: disk.read(work))
        if self._disk is not used:
            # A new file was begun, which has nothing until memory is poured into it.
            with self._changing:
                found = self._on_disk(lambda disk: disk.read(work))
        return self._memory.read(work) if found is None else found[0]

    def write(self, work: Work[Answer]) -> Answer:
        """What `work` gives, done in the file and in memory alike."""
        with self._changing:
            written = self._on_disk(lambda disk: disk.write(work))
            remembered = self._memory.write(work)
            if written is None and self._disk is not None:
                # It was begun in place of a damaged one, before memory had this.
                self._on_disk(lambda disk: disk.pour(self._memory.contents()))
            return remembered if written is None else written[0]

    def _on_disk(self, work: Callable[[History], Answer]) -> tuple[Answer] | None:
        """What the file answers; None when it cannot be used. Raises what an answer may be, such as that
        there is no such run."""
        disk = self._disk
        if disk is None:
            return None
        found = attempt("history", str(self._file), lambda: (work(disk),))
        if not isinstance(found, TunnelwrightError):
            return found
        if not (found.retryable or isinstance(found, HistoryDamaged)):
            raise found
        with self._changing:
            # Another thread may have met the same, and opened a new one since.
            if self._disk is disk:
                self._disk, self._left = None, self._memory.contents()
                if not os.path.lexists(self._file):
                    self._say(f"the history {self._file} is missing: a new one was created")
                    self.settle()
                elif self._failed(found):
                    self.settle()
        return None

    def _open(self) -> bool:
        opened = attempt("history", str(self._file), self._opened)
        if isinstance(opened, TunnelwrightError):
            if self._failed(opened):
                self._trouble = ""
            return False
        self._disk = opened
        if self._trouble:
            self._trouble = ""
            _log.warning("the history %s is written again", self._file)
        return True

    def _opened(self) -> History:
        """The file, after it got what memory has; and memory, after it got what the file has."""
        disk = History(self._file)
        self._used = self._file.stat().st_ino
        there, mine = disk.contents(), self._memory.contents()
        if not self._known:
            mine = _following(there, mine)
        elif _is_same(self._left, there):
            mine = _since(self._left, mine)
        disk.pour(mine)
        self._memory.replace_with(disk.contents())
        self._known = True
        return disk

    def _failed(self, error: TunnelwrightError) -> bool:
        """True when the file can be opened again at once: a new one is begun."""
        if isinstance(error, HistoryDamaged):
            moved = attempt("history", str(self._file), self._put_aside)
            if not isinstance(moved, TunnelwrightError):
                if moved is not None:
                    self._say(f"{error.message}: it was set aside as {moved}, and a new one was created")
                return True
            error = moved
        if error.message != self._trouble:
            self._trouble = error.message
            _log.error("%s; new data is kept in memory until then", error.message)
        return False

    def _say(self, text: str) -> None:
        self._said.append(text)
        _log.error("%s", text)

    def _put_aside(self) -> Path | None:
        """Give the damaged file another name, unless another process has done so first (None); of such
        files only the latest stay. Raises HistoryUnusable."""
        with made_by_one(self._file):
            return self._renamed() if self._is_damaged() else None

    def _is_damaged(self) -> bool:
        """Whether what stands there now is still what has failed."""
        try:
            if self._file.lstat().st_ino != self._used:
                History(self._file, make=False).contents()
                return False
        except HistoryDamaged:
            return True
        except (OSError, HistoryUnusable):
            return False
        return True

    def _renamed(self) -> Path:
        stem, suffix = self._file.stem, self._file.suffix
        aside = self._file.with_name(f"{stem}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}{suffix}")
        try:
            self._file.rename(aside)
            self.set_aside += 1
            for beside in _BESIDE:
                with suppress(FileNotFoundError):
                    Path(f"{self._file}{beside}").rename(f"{aside}{beside}")
            for old in sorted(self._file.parent.glob(f"{stem}.damaged-*{suffix}"))[: -bounds.SET_ASIDE]:
                for name in (str(old), *(f"{old}{beside}" for beside in _BESIDE)):
                    Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise HistoryUnusable(f"cannot set {self._file} aside: {error.strerror}") from error
        return aside


def _is_same(left: Contents, there: Contents) -> bool:
    """Whether a file is the one that was left: it still has the last run, which may have got repeats."""
    last = [(run["id"], run["started"]) for run in left.get("runs", [])[-1:]]
    return bool(last) and last[0] in {(run["id"], run["started"]) for run in there["runs"]}


def _since(left: Contents, mine: Contents) -> Contents:
    """What was changed in memory since the file was left. All else is as the file has it now."""
    known = {name: {tuple(row.items()) for row in rows} for name, rows in left.items()}
    return {
        name: [row for row in rows if tuple(row.items()) not in known[name]] for name, rows in mine.items()
    }


def _following(older: Contents, newer: Contents) -> Contents:
    """What was kept in memory before the file could be read for the first time, after what is in the
    file."""
    last = max((run["id"] for run in older["runs"]), default=0)
    totals: Counter[tuple[str, str]] = Counter()
    for row in [*older["counts"], *newer["counts"]]:
        totals[row["name"], row["label"]] += row["value"]
    return {
        # Of two rows with one key the later one stays.
        **{name: [*rows, *newer[name]] for name, rows in older.items()},
        "runs": [*older["runs"], *({**run, "id": run["id"] + last} for run in newer["runs"])],
        "counts": [{"name": name, "label": label, "value": n} for (name, label), n in totals.items()],
        # What a receiver was sent refers to runs by their numbers in the file.
        SENT.name: [*newer[SENT.name], *older[SENT.name]],
    }
