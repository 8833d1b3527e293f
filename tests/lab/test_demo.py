"""The README's first command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab.engine import Engine
from tests.lab.repository import ROOT


@pytest.mark.engine
def test_the_demo_proves_what_it_says(engine: Engine) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab.demo"],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": engine.url},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = done.stdout[done.stdout.index("== What was proven") :]
    assert "✗" not in report
    assert "unrelated tunnel kept its SPIs" in report
    assert report.count("carried through the change") == 4
    assert "Proven on 3 real routers" in report
    captures = ROOT / ".lab" / "demo" / "captures"
    assert [path.name for path in captures.glob("wire-*.pcap") if path.stat().st_size > 10_000]
