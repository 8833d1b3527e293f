"""A real Git remote behind a slow line: `ssh` is a script that runs the command here and holds it up."""

from __future__ import annotations

import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_SSH = Path(__file__).with_suffix(".sh")


@dataclass(frozen=True, slots=True)
class SlowRemote:
    """What `GIT_SSH_COMMAND` names, and the address of a repository behind it."""

    folder: Path
    repository: Path

    @property
    def url(self) -> str:
        """The remote's address."""
        return f"ssh://slow.example{self.repository}"

    @property
    def command(self) -> str:
        """What runs in the place of ssh."""
        return shlex.join(["sh", str(_SSH), str(self.folder), sys.executable, __file__])

    def pause(self, seconds: float, stops_after: int = 2**40) -> None:
        """Wait before each 4 KiB; after so many bytes nothing comes any more."""
        (self.folder / "pace").write_text(f"{seconds} {stops_after}\n")

    def alive(self) -> list[int]:
        """The scripts that still run."""
        pids = self.folder / "pids"
        return [int(pid) for pid in pids.read_text().split() if _runs(pid)] if pids.exists() else []


def _runs(pid: str) -> bool:
    """What has ended and waits for its parent runs no more (proc(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _hold_up(pause: float, stops_after: int) -> None:
    sent = 0
    while chunk := os.read(0, 4096):
        time.sleep(pause)
        while sent >= stops_after:
            time.sleep(60)
        os.write(1, chunk)
        sent += len(chunk)


if __name__ == "__main__":
    _hold_up(float(sys.argv[1]), int(sys.argv[2]))
