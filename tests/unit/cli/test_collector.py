"""No command is held up by looking for cycles; a service frees what is in them between its runs."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.service.loop import Service
from tests.repositories import new_repository


class Cycle:
    """What nothing but a look for cycles frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def paused() -> Iterator[None]:
    """As the console script has it."""
    gc.disable()
    yield
    gc.enable()


def test_the_console_script_looks_for_no_cycles_by_itself() -> None:
    code = (
        "import gc\n"
        "from reconciler.cli import main\n"
        "main.program = lambda _: print(gc.isenabled())\n"
        "main.entry()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.usefixtures("paused")
@pytest.mark.parametrize("once", [False, True])
def test_a_service_frees_between_its_runs_what_they_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, once: bool
) -> None:
    new_repository(tmp_path / "remote").git.commit("--allow-empty", "--message", "nothing")
    config = tmp_path / "reconcile.yaml"
    config.write_text(f"repository: {tmp_path}/remote\nstate: {tmp_path}/state\nsecrets: {tmp_path}\n")
    left = weakref.ref(Cycle())
    assert left() is not None
    monkeypatch.setattr(Service, "run", lambda service: service.once())
    main(["reconcile", "--config", str(config), *(["--once"] if once else [])])
    assert (left() is None) is not once, "a process that ends frees all of it by that"
