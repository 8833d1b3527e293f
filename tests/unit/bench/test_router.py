"""What the benchmarks do to a router's files, on files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "bench" / "router.sh"


@pytest.fixture
def swanctl(tmp_path: Path) -> Path:
    """A folder with the files of three tunnels."""
    (tmp_path / "conf.d").mkdir()
    for name in "abc":
        (tmp_path / "conf.d" / f"tw-{name}.conf").write_text("integrity = sha256\n")
    return tmp_path


def contents(swanctl: Path) -> list[str]:
    """What the files say, in the order of their names."""
    return [path.read_text().split()[-1] for path in sorted((swanctl / "conf.d").iterdir())]


def run(swanctl: Path, *words: str) -> int:
    """The exit status of one action."""
    surroundings = {**os.environ, "SWANCTL": str(swanctl)}
    return subprocess.run(["sh", SCRIPT, *words], env=surroundings, check=False).returncode


def test_the_first_files_are_edited(swanctl: Path) -> None:
    assert run(swanctl, "edit", "2", "sha256", "sha384") == 0
    assert contents(swanctl) == ["sha384", "sha384", "sha256"]


def test_files_are_taken_away_and_given_back(swanctl: Path) -> None:
    assert run(swanctl, "aside") == 0
    assert contents(swanctl) == []
    assert run(swanctl, "back") == 0
    assert len(contents(swanctl)) == 3
    assert run(swanctl, "wipe") == 0
    assert contents(swanctl) == []


def test_an_unknown_action_does_nothing(swanctl: Path) -> None:
    assert run(swanctl, "tidy") == 2
    assert len(contents(swanctl)) == 3
