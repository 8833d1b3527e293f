"""Fixtures that several suites share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab.engine import Engine, find_engine, stop


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
    if found.private and "PYTEST_XDIST_WORKER" not in os.environ:
        stop()
