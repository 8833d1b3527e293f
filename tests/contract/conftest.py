from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.engine import Engine
from lab.session import Lab
from lab.topology import Role
from reconciler.apply.locking import owner_name
from reconciler.model.fabric import Fabric
from reconciler.model.router_config import InterfaceAddress
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.links import Links
from reconciler.routers.protocol import Router, entries
from reconciler.routers.ssh_router import SshRouter
from tests.contract.sites import FOREIGN, Site, memory_site
from tests.contract.sshd import Sshd, set_up
from tests.converged import assert_converged
from tests.fabrics import two_routers
from tests.sas import take_down


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What concerns charon and the host alone runs over one of the two transports, half of the tests over
    each. The transports themselves have tests that run over both. A test that is selected by its id runs."""
    if os.environ.get("TRANSPORTS") == "all":
        return
    twins: dict[tuple[str, str], dict[str, pytest.Item]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("one_transport"):
            name, _, ids = item.nodeid.partition("[")
            kind = str(item.callspec.params.get("site")) if ids else ""
            if kind in {"real", "ssh"}:
                others = "-".join(part for part in ids.rstrip("]").split("-") if part != kind)
                twins.setdefault((name, others), {})[kind] = item
    left = {
        pair["real" if zlib.crc32("".join(key).encode()) % 2 else "ssh"]
        for key, pair in twins.items()
        if len(pair) == 2
    }
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def contract_lab(engine: Engine) -> Iterator[Lab]:
    with Lab.up(two_routers(), f"contract-{os.getpid()}", engine=engine) as lab:
        yield lab


@pytest.fixture(scope="session")
def contract_sshd(contract_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Sshd:
    return set_up(contract_lab, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def links() -> Iterator[Links]:
    """What the routers of a site were reached by serves the next test as well."""
    with Links() as kept:
        yield kept


@pytest.fixture
def sshd(contract_sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """sshd in the lab's routers, and this user's home prepared for it."""
    monkeypatch.setenv("HOME", str(contract_sshd.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return contract_sshd


@pytest.fixture(
    params=[
        "memory",
        pytest.param("real", marks=pytest.mark.engine),
        pytest.param("ssh", marks=pytest.mark.engine),
    ]
)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Two bare routers; real ones are emptied afterwards, for the next test."""
    if request.param == "memory":
        yield memory_site(tmp_path)
        return
    lab: Lab = request.getfixturevalue("contract_lab")
    links: Links = request.getfixturevalue("links")
    by_ssh: Sshd | None = request.getfixturevalue("sshd") if request.param == "ssh" else None
    fabric = two_routers()

    def reach(_: Fabric, name: str) -> Router:
        if by_ssh is not None:
            return SshRouter(name, by_ssh.access(name), links)
        return DockerRouter(fabric.routers[name], lab.name, links)

    def restart_charon(name: str) -> None:
        (lab.places.run(name) / "ready").unlink()
        lab.run(Role.ROUTER, name, ["pkill", "-KILL", "charon-systemd"])
        lab.wait_ready(name)

    def delete_address(name: str, address: InterfaceAddress) -> None:
        lab.run(Role.ROUTER, name, ["ip", "address", "delete", address.cidr, "dev", address.interface])

    real = Site(request.param, fabric, reach, restart_charon, delete_address, tmp_path)
    yield real
    emptied = real.apply(replace(fabric, tunnels={}))
    for name in fabric.routers:
        router = real.connect(name)
        router.host.remove_files([f"{FOREIGN}.conf", f"{FOREIGN}.conf.adopted"])
        if FOREIGN in dict(entries(router.vici, "list-conns", "list-conn")):
            take_down(router.vici, FOREIGN)
            router.vici.request("unload-conn", {"name": FOREIGN})
        if f"ike-{FOREIGN}" in router.vici.request("get-shared")["keys"]:
            router.vici.request("unload-shared", {"id": f"ike-{FOREIGN}"})
        # A controller that was cut off could not give it back, and this process lives on.
        router.host.unlock(owner_name())
    real.close()
    assert_converged(emptied)
