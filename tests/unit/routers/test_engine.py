"""Which engine is meant when none is named."""

from __future__ import annotations

import gc
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine import answers
from reconciler.routers import engine


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: a unix socket's path holds 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="tw") as name:
        yield Path(name)


def test_a_socket_that_a_dead_engine_left_is_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, living = folder / "dead.sock", folder / "living.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(dead))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "usual_sockets", lambda: (dead, living))
    monkeypatch.setattr(engine, "PRIVATE_SOCKET", folder / "private.sock")
    assert engine.engine_url() == f"unix://{dead}", "the usual one, so that the message names it"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(living))
        listening.listen()
        assert engine.engine_url() == f"unix://{living}"


def test_a_dead_engine_does_not_answer_and_leaves_no_socket_open(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(folder / "dead.sock"))
    assert not answers(f"unix://{folder}/dead.sock")
    # An open socket that is collected is a ResourceWarning, and those are errors here.
    gc.collect()
