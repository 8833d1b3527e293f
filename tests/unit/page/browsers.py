"""Chromium as Debian has it, without a window."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

AXE = "axe-core@4.14.1"
"""Checks of accessibility; licensed under MPL-2.0, and used by tests alone."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. Skips where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is missing")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=program, args=options)
        try:
            yield browser
        finally:
            browser.close()


def axe_core(folder: Path) -> str:
    """The script of axe-core. Skips where npm is missing."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is missing")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), AXE]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()
