"""How plans are applied before they are judged again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.apply import establish


@pytest.fixture(autouse=True, scope="package")
def no_overlap() -> Iterator[None]:
    """In memory nothing is ever on its way."""
    before, establish.OVERLAP = establish.OVERLAP, 0.0
    yield
    establish.OVERLAP = before
