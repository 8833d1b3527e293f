"""Fixtures that several suites share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab.engine import Engine, answers, find_engine, private_url, stop


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A container engine: the one that runs, or a private one that ends with the tests."""
    was_running = answers(private_url())
    found = find_engine()
    # The reconciler finds the engine as any Docker client does.
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = found.url
    yield found
    if before is None:
        del os.environ["DOCKER_HOST"]
    if found.private and not was_running and "PYTEST_XDIST_WORKER" not in os.environ:
        stop()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything should be there, a test that was skipped was not run for a reason nobody saw."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
