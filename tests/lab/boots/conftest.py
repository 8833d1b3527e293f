"""The machine, booted once for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.engine import Engine
from tests.lab.boots.site import Site, booted


@pytest.fixture(scope="module")
def site(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with booted(engine, image, tmp_path_factory.mktemp("machine")) as made:
        yield made
