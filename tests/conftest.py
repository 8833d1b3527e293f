"""Fixtures that several suites share, and what holds for a run: workers, the engine, skipped tests."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from lab.engine import Engine, find_engine, private_runs, stop

# A deadline for one example would be a race with whatever else the machine does.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")

_STARTED = "TUNNELWRIGHT_TESTS_STARTED"
"""The variable that names the file in which a process of this run notes that it has started an engine.
Several runs that share one, as those of `scripts/suite.sh`, are given it; who gives it stops the engine."""
_NOTE = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """The controller, or the only process, says where the others note what they start."""
    if _STARTED not in os.environ:
        config.stash[_NOTE] = Path(tempfile.mkdtemp()) / "started"
        os.environ[_STARTED] = str(config.stash[_NOTE])


def pytest_unconfigure(config: pytest.Config) -> None:
    """All workers have ended: the engine that one of them has started is not needed any more. What another
    run of tests has started is left alone."""
    note = config.stash.get(_NOTE, None)
    if note is not None:
        if note.exists():
            stop()
        shutil.rmtree(note.parent)
        del os.environ[_STARTED]


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Tests that share a lab go to one worker, one after the other as they are written. Each other test goes
    to any: those of the contract leave their routers as they were, and a worker has a lab for all of them.
    (`--dist loadgroup` of pytest-xdist 3.8 groups nothing under pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if "lab" not in Path(file).parts:
            return nodeid
        # Each pair of releases of strongSwan has a lab of its own.
        release = re.search(r"[\[-](\d\.\d\.\d\+\d\.\d\.\d)[\]-]", nodeid)
        return f"{file}[{release[1]}]" if release else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """How `-n` spreads the tests."""
    return Scheduling(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything should be there, a test was skipped for a reason that was not foreseen."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A container engine: the one that runs, or a private one that ends with the tests."""
    ran = private_runs()
    found = find_engine()
    if found.private and not ran:
        Path(os.environ[_STARTED]).touch()
    # The reconciler finds the engine as any Docker client does.
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = found.url
    yield found
    if before is None:
        del os.environ["DOCKER_HOST"]
