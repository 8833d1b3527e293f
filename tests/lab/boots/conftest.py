"""The machine, booted once for all tests; and which of them belong to `make boots` alone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab.engine import Engine
from lab.session import Lab
from reconciler.routers.links import Links
from tests.fabrics import two_routers
from tests.lab.boots.machine import build
from tests.lab.boots.site import Site

collect_ignore = [] if "BOOTS" in os.environ else ["test_many_boots.py"]


@pytest.fixture(scope="module")
def site(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    fabric = two_routers()
    folder = tmp_path_factory.mktemp("machine")
    with Lab.up(fabric, f"boots{os.getpid():x}", engine=engine, image=image) as lab, Links() as links:
        machine = build(lab, image, "paris", folder)
        machine.plug_in()
        made = Site(lab, fabric, machine, links, tmp_path_factory.mktemp("keys"))
        try:
            made.boot()
            machine.wait_up()
            made.apply()
            yield made
        finally:
            machine.cut()
