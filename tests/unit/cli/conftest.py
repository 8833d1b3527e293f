"""What the tests of commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply import establish
from reconciler.cli import access
from reconciler.model.errors import ExitCode
from reconciler.operations import observed_plan as run
from tests.allowed import ALLOWED
from tests.unit.cli.stage import Stage
from tests.unit.service.followed import KEY, followed


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Stage:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    made = Stage(followed(tmp_path), keys, capsys)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            assert tz is UTC
            return made.clock

    monkeypatch.setattr(run, "datetime", Clock)
    monkeypatch.setattr(establish, "OVERLAP", 0.0)
    monkeypatch.setattr(access, "connector", lambda *_: made.site.connect)
    for variable, value in {"KEY": KEY, **ALLOWED}.items():
        monkeypatch.setenv(variable, value)
    assert made.apply()[0] == ExitCode.OK
    return made
