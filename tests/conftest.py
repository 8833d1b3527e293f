"""Fixtures that several suites share, and what holds for a run: workers, the engine, skipped tests."""

from __future__ import annotations

import os
import re
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

_HAD_ENGINE = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Whoever begins before anything was started ends what was: the controller, or the only process."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.stash[_HAD_ENGINE] = private_runs()


def pytest_unconfigure(config: pytest.Config) -> None:
    """All workers have ended: nobody needs the engine any more that one of them has started."""
    if not config.stash.get(_HAD_ENGINE, True):
        stop()


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Tests that share a lab go to one worker, one after the other as they are written. Each other test goes
    to any: those of the contract leave their routers as they were, and a worker has a lab for all of them.
    (`--dist loadgroup` of pytest-xdist 3.8 groups nothing under pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if "lab" not in Path(file).parts:
            return nodeid
        # Each release of strongSwan has a lab of its own.
        release = re.search(r"[\[-](mixed|old)[\]-]", nodeid)
        return f"{file}[{release[1]}]" if release else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """How `-n` spreads the tests."""
    return Scheduling(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything should be there, a test that was skipped was not run for a reason nobody saw."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A container engine: the one that runs, or a private one that ends with the tests."""
    found = find_engine()
    # The reconciler finds the engine as any Docker client does.
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = found.url
    yield found
    if before is None:
        del os.environ["DOCKER_HOST"]
