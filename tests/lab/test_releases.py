"""strongSwan 5.9.8 (Debian 12) beside 6.0.1 (Debian 13), and beside itself.

5.9.8's userspace data plane has no raw ESP, so the ESP of these tunnels is in UDP (RFC 3948).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.interruption import CASES, Bench, Case
from lab.engine import Engine
from lab.session import Lab
from lab.topology import Role
from lab.verify import verify
from reconciler.load import load_tree
from reconciler.model.router_config import Asked
from reconciler.observe.state import observe_router
from reconciler.operations.apply import apply
from reconciler.operations.preview import preview
from reconciler.operations.verify import verify as verify_tunnels
from reconciler.validate import validate
from tests.converged import assert_converged
from tests.lab.repository import ROOT

pytestmark = pytest.mark.engine

LABELS = ("ESP integrity", "IKE encryption", "IKE version 2 to 1", "pre-shared key", "one CIDR more", "name")
OLD, NEW = "5.9.8", "6.0.1"


@pytest.fixture(scope="module", params=["mixed", "old"])
def bench(
    request: pytest.FixtureRequest, engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    fabric, _ = validate(load_tree(ROOT / "desired_state"))
    old = ["router-b"] if request.param == "mixed" else list(fabric.routers)
    releases = dict.fromkeys(old, "bookworm")
    with Lab.up(fabric, f"rel{os.getpid():x}", engine=engine, image=image, releases=releases) as lab:
        yield Bench(lab, fabric, Path(tmp_path_factory.mktemp("keys")))


def test_the_releases_are_what_they_are_called(bench: Bench) -> None:
    for node in bench.lab.routers:
        router = bench.connect(node.name)
        try:
            version = observe_router(router, ()).version
        finally:
            router.close()
        assert version == (OLD if node.release == "bookworm" else NEW)


def test_tunnels_are_proven(bench: Bench) -> None:
    bench.bring(bench.base, "the first key of all")
    report = verify(bench.lab, bench.base)
    assert report.passed, [c for flow in report.flows for c in flow.checks if not c.passed]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.label in LABELS], ids=lambda case: case.label
)
def test_a_change_loses_no_packet(bench: Bench, case: Case) -> None:
    measured = bench.measure(bench.bring, case)
    assert measured.in_effect
    assert measured.predicted == "make-before-break"
    assert measured.lost == measured.in_flight
    assert sum(result.lost for result in measured.unrelated) == 0


def test_after_a_restart_a_reconnect_brings_the_tunnel_back(bench: Bench) -> None:
    """5.9.8's userspace data plane has no trap policies, so no packet from its side wakes the tunnel."""
    bench.bring(bench.base, "the first key of all")
    (bench.lab.vici_socket("router-b").parent / "ready").unlink()
    bench.lab.run(Role.ROUTER, "router-b", ["pkill", "-KILL", "-x", "charon-systemd"])
    bench.lab.wait_ready("router-b")
    store = bench.store("the first key of all")
    before = preview(bench.base, store, bench.fleet)
    assert before.plan.empty, "its files have brought the configuration back"
    assert before.observation.states["router-b"].sas == ()
    asked = preview(bench.base, store, bench.fleet, asked=Asked(reconnect=frozenset({"b-to-a"})))
    assert_converged(apply(asked, bench.fleet))
    checks, _ = verify_tunnels(bench.base, store, bench.fleet)
    assert all(check.passed for check in checks if "b-to-a" in check.name)
