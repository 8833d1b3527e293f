"""Every algorithm of the contract between two real routers, and what they really negotiated.

One tunnel for each value, all on one pair of routers, brought up by one apply. A forced rekey shows the
PFS group: the first CHILD_SA of an IKE_SA has no exchange of its own (RFC 7296, section 1.2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lab.engine import Engine, until
from lab.session import Lab
from lab.topology import Role
from reconciler.model.fabric import EspPolicy, Fabric, IkePolicy
from reconciler.model.outcome import Status
from reconciler.model.router_config import ChildSa, connection_name
from reconciler.observe.state import read_sas
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import observed_plan
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.secrets import SecretStore
from schemas.algorithms import DH_GROUPS, ENCRYPTION, INTEGRITY, is_aead
from tests.fabrics import many_tunnels, number_of, two_routers

pytestmark = pytest.mark.engine
IKE = IkePolicy(2, "sha256", "aes-256", 14, 86400, True, 30, "restart")
ESP = EspPolicy("sha256", "aes-256", None, 3600)


@dataclass(frozen=True)
class Case:
    """One tunnel of the matrix."""

    label: str
    ike: IkePolicy
    esp: EspPolicy


def matrix() -> list[Case]:
    """Each value of each field once, the other fields as usual; IKEv1 for what it can do."""
    cases = []
    for word in ENCRYPTION:
        cases.append(Case(f"ike-{word}", replace(IKE, encryption=word), ESP))
        cases.append(Case(f"esp-{word}", IKE, replace(ESP, encryption=word)))
        if not is_aead(word):
            cases.append(Case(f"ikev1-{word}", replace(IKE, version=1, encryption=word), ESP))
    for word in INTEGRITY:
        cases.append(Case(f"ike-{word}", replace(IKE, integrity=word), ESP))
        cases.append(Case(f"ike-gcm-prf-{word}", replace(IKE, encryption="aes-gcm-128", integrity=word), ESP))
        cases.append(Case(f"esp-{word}", IKE, replace(ESP, integrity=word)))
        cases.append(Case(f"ikev1-{word}", replace(IKE, version=1, integrity=word), ESP))
    for group in DH_GROUPS:
        cases.append(Case(f"ike-group-{group}", replace(IKE, dh_group=group), ESP))
        cases.append(Case(f"pfs-group-{group}", IKE, replace(ESP, pfs_group=group)))
    cases.append(Case("ikev1-pfs-14", replace(IKE, version=1), replace(ESP, pfs_group=14)))
    return cases


def fabric_of(cases: list[Case]) -> Fabric:
    """A tunnel for each case."""
    fabric = many_tunnels(len(cases))
    tunnels = {
        name: replace(tunnel, ike=cases[number_of(name)].ike, esp=cases[number_of(name)].esp)
        for name, tunnel in fabric.tunnels.items()
    }
    return replace(fabric, tunnels=tunnels)


@pytest.fixture(scope="module")
def lab2(engine: Engine, image: str) -> Iterator[Lab]:
    with Lab.up(two_routers(), f"alg{os.getpid():x}", engine=engine, image=image) as lab:
        yield lab


def test_every_algorithm_is_negotiated_as_written(lab2: Lab, tmp_path: Path) -> None:
    cases = matrix()
    fabric = fabric_of(cases)

    def connect(name: str) -> Router:
        return DockerRouter(fabric.routers[name], lab2.name, lab2.links)

    store = SecretStore(tmp_path, {"TUNNELWRIGHT_KEY_LAB": "a key for the matrix"})
    before = observed_plan(fabric, store, Fleet(connect))
    applied = apply(before, Fleet(connect), timeout=60)
    labels = {connection_name(f"paris-{n:03d}"): case.label for n, case in enumerate(cases)}
    failed = {
        labels.get(getattr(o.step.operation, "connection", ""), o.step.summary): o.message
        for o in applied.outcomes
        if o.status is not Status.DONE
    }
    assert failed == {}
    # The plan compares what was negotiated with what is desired: nothing may be left to change.
    assert applied.remaining.empty
    router = connect("paris")
    try:
        _rekey_all(router, list(labels))
    finally:
        router.close()
    after = observed_plan(fabric, store, Fleet(connect))
    assert after.plan.empty
    state = after.observation.states["paris"]
    for number, case in enumerate(cases):
        name = connection_name(f"paris-{number:03d}")
        (child,) = [child for sa in state.sas_of(name) for child in sa.children if child.state == "INSTALLED"]
        wanted = before.desired["paris"].connections[name].settings["children"]
        assert child.algorithms == wanted[child.name]["esp_proposals"][0], case.label  # type: ignore[index,call-overload]  # nested


def _rekey_all(router: Router, names: list[str]) -> None:
    """Rekey every CHILD_SA, and wait until each has been replaced."""
    old = {child.id for child in _installed(router)}
    for child_id in sorted(old, key=int):
        router.vici.request("rekey", {"child-id": child_id})

    def replaced() -> bool:
        now = _installed(router)
        return len(now) == len(names) and not old & {child.id for child in now}

    assert until(replaced, 60), "a rekey does not end: the PFS groups do not match"


def _installed(router: Router) -> list[ChildSa]:
    return [c for sa in read_sas(router.vici) for c in sa.children if c.state == "INSTALLED"]


def test_no_release_has_ml_kem_yet(lab2: Lab) -> None:
    """What could not be proven is not offered. When this fails, it can be: RFC 9370 with groups 35 to 37."""
    listed = lab2.run(Role.ROUTER, next(node.name for node in lab2.routers), ["swanctl", "--list-algs"])
    assert "CURVE_25519" in listed
    assert "ML_KEM" not in listed
