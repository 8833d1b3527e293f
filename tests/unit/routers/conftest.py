"""A user of OpenSSH without a configuration of its own, and a router for the scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.model.secret import Secret
from tests.unit.routers.scratch import Scratch, scratch_router


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory, for as long as a test lasts; no agent."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def paris(tmp_path: Path) -> Iterator[Scratch]:
    with scratch_router(tmp_path) as router:
        router.host.write_files({"tw-paris-tokyo.conf": Secret(b"before")})
        yield router
