"""One image for all lab tests; each test names its labs for itself."""

from __future__ import annotations

import gc
import os
import secrets
import warnings
from collections.abc import Iterator

import pytest

from lab.engine import Engine
from lab.image import ensure_image
from lab.session import Lab
from lab.topology import Role
from reconciler.load import load_tree
from reconciler.model.fabric import Fabric
from reconciler.validate import validate
from tests.fabrics import by_hand, swanctl_conf, two_routers
from tests.lab.repository import ROOT

with warnings.catch_warnings():
    # scapy leaves its cache files open while it is imported; that is no finding about this project.
    warnings.simplefilter("ignore", ResourceWarning)
    import scapy.layers.ipsec  # noqa: F401

    gc.collect()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    return ensure_image(engine)


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return two_routers()


@pytest.fixture(scope="session")
def lab_name() -> str:
    """A lab of this test process alone: parallel runs do not meet."""
    return f"t{os.getpid():x}"


@pytest.fixture(scope="session")
def lab(engine: Engine, image: str, fabric: Fabric, lab_name: str) -> Iterator[Lab]:
    """Two configured routers with one tunnel, shared by the tests that leave it as it was."""
    with Lab.up(fabric, lab_name, engine=engine, image=image) as up:
        configure(up, fabric)
        yield up


@pytest.fixture(scope="module")
def lab3(engine: Engine, image: str, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The project's own three sites, bare; of one module alone."""
    fabric, _ = validate(load_tree(ROOT / "desired_state"))
    name = f"{request.path.stem.rpartition('_')[2]}{os.getpid():x}"
    with Lab.up(fabric, name, engine=engine, image=image) as up:
        yield up


def configure(lab: Lab, fabric: Fabric, esp_proposal: str = "aes256-sha256-modp2048") -> None:
    """Bring the routers where an apply would bring them, with plain files and commands."""
    psk = secrets.token_hex(24)
    for tunnel in fabric.tunnels.values():
        conf = swanctl_conf(tunnel, psk, esp_proposal)
        lab.run(Role.ROUTER, tunnel.router, by_hand(tunnel, "lab.conf", conf))
