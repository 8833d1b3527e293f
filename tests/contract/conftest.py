from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.engine import Engine
from lab.session import Lab
from lab.topology import Role
from reconciler.model.fabric import Fabric
from reconciler.model.router_config import InterfaceAddress
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.protocol import Router
from tests.contract.sites import Site, memory_site
from tests.fabrics import two_routers


@pytest.fixture(scope="session")
def contract_lab(engine: Engine) -> Iterator[Lab]:
    with Lab.up(two_routers(), f"contract-{os.getpid()}", engine=engine) as lab:
        yield lab


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.engine)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Two bare routers; real ones are emptied afterwards, for the next test."""
    if request.param == "memory":
        yield memory_site(tmp_path)
        return
    lab: Lab = request.getfixturevalue("contract_lab")
    fabric = two_routers()

    def reach(_: Fabric, name: str) -> Router:
        return DockerRouter(fabric.routers[name], lab.name)

    def restart_charon(name: str) -> None:
        (lab.places.run(name) / "ready").unlink()
        lab.run(Role.ROUTER, name, ["pkill", "-KILL", "charon-systemd"])
        lab.wait_ready(name)

    def delete_address(name: str, address: InterfaceAddress) -> None:
        lab.run(Role.ROUTER, name, ["ip", "address", "delete", address.cidr, "dev", address.interface])

    real = Site("real", fabric, reach, restart_charon, delete_address, tmp_path)
    yield real
    emptied = real.apply(replace(fabric, tunnels={}))
    real.close()
    assert [f"{o.step.summary}: {o.message}" for o in emptied.outcomes if o.message] == []
    assert emptied.converged
