"""Files of the program's own: written whole or not at all, by one process at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from reconciler.doors.files import replace_whole, turn_of


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"before")
    with path.open("rb") as opened:
        replace_whole(path, b"after")
        assert opened.read() == b"before", "who has it open reads on"
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"after", 0o600)
    replace_whole(path, b"public", 0o644)
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_written_leaves_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_whole(path, b"after")
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("kept", b"before")]


class Refused(Exception):
    """What the tests make of a reason."""


def test_a_turn_is_one_s_alone_and_ends_with_its_context(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kept.db"
    with turn_of(path, 0.1, Refused):
        lock = path.with_suffix(".lock")
        assert (lock.stat().st_mode & 0o777, lock.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        with (
            pytest.raises(Refused, match=r"^others are at it$"),
            turn_of(path, 0.1, Refused, busy="others are at it"),
        ):
            pass
        with pytest.raises(Refused), turn_of(path, 3600, Refused, stopping=lambda: True):
            pass
    with FileLock(lock, 0), pytest.raises(Refused), turn_of(path, 0, Refused):
        pass
    with pytest.raises(ValueError, match="of the work"), turn_of(path, 0, Refused):
        raise ValueError("of the work")
    with turn_of(path, 0, Refused):
        pass


def test_what_the_machine_refuses_is_reported_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(Refused, match=r"^(Not a directory|File exists)$"),
        turn_of(tmp_path / "file" / "kept.db", 0, Refused),
    ):
        pass
    (tmp_path / "kept.lock").mkdir()
    with pytest.raises(Refused, match=r"^Is a directory$"), turn_of(tmp_path / "kept.db", 0, Refused):
        pass


def test_an_error_of_the_work_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="of the work"), turn_of(tmp_path / "kept.db", 0, Refused):
        raise TimeoutError("of the work")
