"""Each strongSwan of the lab beside the others: 5.9.8 (Debian 12), 6.0.1 (Debian 13) and 6.1.0 (forky).

5.9.8's userspace data plane has no raw ESP, so the ESP of its tunnels is in UDP (RFC 3948). Two of 6.0.1 are
what the other tests have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from bench.interruption import CASES, Bench, Case
from lab.engine import Engine
from lab.session import Lab
from lab.topology import RELEASES, Role
from lab.verify import verify
from reconciler.facets import connections
from reconciler.load import load_tree
from reconciler.model.router_config import Asked
from reconciler.model.swanctl import flatten, plain
from reconciler.observe.state import observe_router
from reconciler.operations.apply import apply
from reconciler.operations.desired import compile_fabric
from reconciler.operations.observed_plan import observed_plan
from reconciler.operations.verify import verify as verify_tunnels
from reconciler.routers.protocol import entries
from reconciler.validate import validate
from schemas.algorithms import esp_proposal, ike_proposal
from tests.converged import assert_converged
from tests.lab.releases import MIDDLE, NEW, OLD, PAIRS, Pair, label, of_sites, pairs
from tests.lab.repository import ROOT
from tests.lab.test_algorithms import matrix

pytestmark = pytest.mark.engine

SHARES: dict[Pair, tuple[str, ...]] = {
    (MIDDLE, OLD): ("IKE version 2 to 1", "one CIDR more"),
    (NEW, OLD): ("ESP integrity", "pre-shared key"),
    (NEW, NEW): ("IKE encryption", "name"),
}
"""The pairs with their share of the changes: what a change needs of a release does not depend on the
other end, so each is tried once. A pair that was asked for gets all that both ends can do."""
RUN = pairs(*SHARES)


def shared() -> Iterator[ParameterSet]:
    every = {name for labels in SHARES.values() for name in labels}
    for pair in RUN:
        labels = every if PAIRS else set(SHARES[pair])
        for case in CASES:
            if case.label in labels and not (NEW in pair and "IKE version" in case.label):
                yield pytest.param(pair, case, id=f"{label(pair)}-{case.label}")


@pytest.fixture(scope="module", params=RUN, ids=label)
def bench(
    request: pytest.FixtureRequest, engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    fabric, _ = validate(load_tree(ROOT / "desired_state"))
    pair: Pair = request.param
    name = f"rel{os.getpid():x}{pair[0][0]}{pair[1][0]}"
    with Lab.up(fabric, name, engine=engine, image=image, releases=of_sites(pair)) as lab:
        yield Bench(lab, fabric, Path(tmp_path_factory.mktemp("keys")))


def test_the_releases_are_what_they_are_called(bench: Bench) -> None:
    for node in bench.lab.routers:
        router = bench.connect(node.name)
        try:
            version = observe_router(router, ()).version
        finally:
            router.close()
        assert version == RELEASES[node.release]


def test_tunnels_are_proven(bench: Bench) -> None:
    bench.bring(bench.base, "the first key of all")
    report = verify(bench.lab, bench.base)
    assert report.passed, [c for flow in report.flows for c in flow.checks if not c.passed]


@pytest.mark.parametrize(("bench", "case"), list(shared()), indirect=["bench"], scope="module")
def test_a_change_loses_no_packet(bench: Bench, case: Case) -> None:
    measured = bench.measure(bench.bring, case)
    assert measured.in_effect
    assert measured.predicted == "make-before-break"
    assert measured.lost == measured.in_flight
    assert sum(result.lost for result in measured.unrelated) == 0


@pytest.mark.parametrize(
    "bench", [pair for pair in RUN if pair == (MIDDLE, OLD) or PAIRS], ids=label, indirect=True
)
def test_after_a_restart_a_reconnect_brings_the_tunnel_back(bench: Bench) -> None:
    """5.9.8's userspace data plane has no trap policies, so no packet from its side wakes the tunnel."""
    bench.bring(bench.base, "the first key of all")
    (bench.lab.vici_socket("router-b").parent / "ready").unlink()
    bench.lab.run(Role.ROUTER, "router-b", ["pkill", "-KILL", "-x", "charon-systemd"])
    bench.lab.wait_ready("router-b")
    store = bench.store("the first key of all")
    before = observed_plan(bench.base, store, bench.fleet)
    left = [
        change.reason for change in before.plan.changes if "does not hold all of its" not in change.reason
    ]
    assert left == [], "its files have brought the configuration back"
    assert before.observation.states["router-b"].sas == ()
    asked = observed_plan(bench.base, store, bench.fleet, asked=Asked(reconnect=frozenset({"b-to-a"})))
    assert_converged(apply(asked, bench.fleet))
    checks, _ = verify_tunnels(bench.base, store, bench.fleet)
    assert [check for check in checks if "b-to-a" in check.name and not check.passed] == []


@pytest.mark.parametrize("bench", [pair for pair in RUN if pair[0] == NEW], ids=label, indirect=True)
def test_proposals_that_were_loaded_by_hand_are_drift_where_charon_reports_them(bench: Bench) -> None:
    """From 6.0.7 on: the file is right, and so are the running SAs."""
    bench.bring(bench.base, "the first key of all")
    store = bench.store("the first key of all")
    wanted = compile_fabric(bench.base, store)["router-a"].connections["tw-a-to-b"].settings
    with bench.connect("router-a") as router:
        router.vici.request(
            "load-conn", {"tw-a-to-b": {**plain(wanted), "proposals": ["aes128-sha256-modp2048"]}}
        )
    before = observed_plan(bench.base, store, bench.fleet)
    [changed] = before.plan.changes
    assert [(change.path, change.before, change.source) for change in changed.changes] == [
        ("proposals", ("aes128-sha256-modp2048",), "vici")
    ]
    assert_converged(apply(before, bench.fleet))


@pytest.mark.parametrize("bench", [pair for pair in RUN if pair[0] == NEW], ids=label, indirect=True)
def test_every_algorithm_is_reported_as_it_was_written(bench: Bench) -> None:
    """By list-conns, which names transforms in its own way."""
    bench.bring(bench.base, "the first key of all")
    wanted = compile_fabric(bench.base, bench.store("the first key of all"))["router-a"]
    settings = wanted.connections["tw-a-to-b"].settings
    children: Any = plain(settings)["children"]
    [(child, section)] = children.items()
    with bench.connect("router-a") as router:
        for case in matrix():
            if case.ike.version == 2:
                ike = ike_proposal(case.ike.encryption, case.ike.integrity, case.ike.dh_group)
                esp = esp_proposal(case.esp.encryption, case.esp.integrity, case.esp.pfs_group)
                loaded = {
                    **plain(settings),
                    "proposals": [ike],
                    "children": {child: {**section, "esp_proposals": [esp]}},
                }
                router.vici.request("load-conn", {"by-hand": loaded})
                [listed] = [
                    item
                    for name, item in entries(router.vici, "list-conns", "list-conn")
                    if name == "by-hand"
                ]
                found = dict(flatten(connections.decode("by-hand", listed)))
                assert (found["proposals"], found[f"children.{child}.esp_proposals"]) == ((ike,), (esp,)), (
                    case.label
                )
        router.vici.request("unload-conn", {"name": "by-hand"})
