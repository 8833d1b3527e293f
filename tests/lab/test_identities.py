"""Identities, keys and selectors of every kind between two real routers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from lab.engine import Engine
from lab.session import Lab
from lab.topology import Role
from reconciler.facets.connections import printed_id, swanctl_id
from reconciler.model.fabric import Fabric, IdType, IkeId, PskRef
from reconciler.model.outcome import Status
from reconciler.model.router_config import RouterState, connection_name
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import observed_plan
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.secrets import SecretStore
from tests.fabrics import many_tunnels, number_of, two_routers

pytestmark = pytest.mark.engine

IDENTITIES = [
    (IkeId(IdType.FQDN, "a"), IkeId(IdType.FQDN, "b")),
    (IkeId(IdType.FQDN, "a" * 255), IkeId(IdType.FQDN, "b" * 255)),
    (IkeId(IdType.EMAIL, "a" * 200 + "@" + "b" * 54), IkeId(IdType.EMAIL, "c" * 127 + "@" + "d" * 127)),
    (IkeId(IdType.EMAIL, "vpn@a.example"), IkeId(IdType.EMAIL, "vpn@b.example")),
    (IkeId(IdType.FQDN, "left"), IkeId(IdType.EMAIL, "x@y")),
    (IkeId(IdType.FQDN, "C=CH, O=not a DN"), IkeId(IdType.FQDN, "%any")),
    (IkeId(IdType.FQDN, "with space"), IkeId(IdType.FQDN, 'quote" back\\slash #hash {brace} =')),
    (IkeId(IdType.FQDN, "192.0.2.55"), IkeId(IdType.IP, "192.0.2.56")),
    (IkeId(IdType.FQDN, "fqdn:twice"), IkeId(IdType.FQDN, "keyid:not")),
    (IkeId(IdType.FQDN, "*.wild.example"), IkeId(IdType.FQDN, "0x1234")),
    (IkeId(IdType.FQDN, "z\u00fcrich \u4e16\U0001f511"), IkeId(IdType.EMAIL, "vpn@k\u00f6ln.example")),
    (IkeId(IdType.FQDN, "#abcd"), IkeId(IdType.EMAIL, "#x@y")),
    (IkeId(IdType.FQDN, "\u00e9" * 61), IkeId(IdType.FQDN, "#" + "b" * 123)),
]
KEYS = [
    "plain key of some length",
    " leading and trailing ",
    "braces { } equals = hash # semicolon ; comma ,",
    "double \" single ' back \\ slash",
    "0sbm90IGJhc2U2NA==",
    "0x6162636465",
    "\u00e9\u4e16\U0001f511 beyond ASCII",
    "tab\tand bell\a",
    "$(reboot) `reboot` %s %n ${HOME}",
    "x" * 512,
]


@pytest.fixture(scope="module")
def lab2(engine: Engine, image: str) -> Iterator[Lab]:
    with Lab.up(two_routers(), f"ids{os.getpid():x}", engine=engine, image=image) as lab:
        yield lab


def bring_up(lab: Lab, fabric: Fabric, store: SecretStore) -> RouterState:
    """Apply; everything must come up. What is left of an earlier test goes."""

    def connect(name: str) -> Router:
        return DockerRouter(fabric.routers[name], lab.name, lab.links)

    applied = apply(observed_plan(fabric, store, Fleet(connect)), Fleet(connect), timeout=20)
    assert [o.message for o in applied.outcomes if o.status is not Status.DONE] == []
    after = observed_plan(fabric, store, Fleet(connect))
    assert after.plan.empty
    return after.observation.states["paris"]


def test_identities_are_of_the_type_that_both_ends_mean(lab2: Lab, tmp_path: Path) -> None:
    fabric = many_tunnels(len(IDENTITIES))
    tunnels = {}
    for name, tunnel in fabric.tunnels.items():
        local, peer = IDENTITIES[number_of(name)][:: 1 if tunnel.router == "paris" else -1]
        tunnels[name] = replace(tunnel, local_id=local, peer_id=peer)
    state = bring_up(
        lab2, replace(fabric, tunnels=tunnels), SecretStore(tmp_path, {"TUNNELWRIGHT_KEY_LAB": "a lab key"})
    )
    for number, (local, peer) in enumerate(IDENTITIES):
        (sa,) = state.sas_of(connection_name(f"paris-{number:03d}"))
        assert (sa.local_id, sa.remote_id) == (printed_id(swanctl_id(local)), printed_id(swanctl_id(peer)))


@pytest.mark.parametrize("version", [1, 2])
def test_any_key_reaches_both_ends_byte_for_byte(lab2: Lab, tmp_path: Path, version: Literal[1, 2]) -> None:
    """Loaded over VICI at paris; at tokyo loaded from the file, by swanctl's own parser."""
    fabric = many_tunnels(len(KEYS))
    tunnels = {
        name: replace(
            tunnel,
            psk=PskRef("env", f"TUNNELWRIGHT_KEY_{number_of(name)}"),
            ike=replace(tunnel.ike, version=version),
        )
        for name, tunnel in fabric.tunnels.items()
    }
    fabric = replace(fabric, tunnels=tunnels)
    store = SecretStore(tmp_path, {f"TUNNELWRIGHT_KEY_{number}": key for number, key in enumerate(KEYS)})
    bring_up(lab2, fabric, store)
    (lab2.places.run("tokyo") / "ready").unlink()
    lab2.run(Role.ROUTER, "tokyo", ["pkill", "-KILL", "charon-systemd"])
    lab2.wait_ready("tokyo")

    def connect(name: str) -> Router:
        return DockerRouter(fabric.routers[name], lab2.name, lab2.links)

    router = connect("tokyo")
    try:
        for number in range(len(KEYS)):
            message = {"ike": f"tw-tokyo-{number:03d}", "timeout": "5000", "loglevel": "-1"}
            (children,) = (
                list(body["children"])
                for event in router.vici.stream("list-conns", "list-conn")
                for name, body in event.items()
                if name == message["ike"]
            )
            for _ in router.vici.stream("initiate", "control-log", {**message, "child": children[0]}):
                pass
    finally:
        router.close()


@pytest.mark.parametrize("version", [1, 2])
def test_every_pair_of_networks_has_a_selector(lab2: Lab, tmp_path: Path, version: Literal[1, 2]) -> None:
    fabric = many_tunnels(1)
    here, far = ("10.101.0.0/24", "10.101.9.0/24"), ("10.102.0.0/24", "10.102.9.0/25", "10.102.8.7/32")
    tunnels = {}
    for name, tunnel in fabric.tunnels.items():
        local, peer = (here, far) if tunnel.router == "paris" else (far, here)
        policy = replace(tunnel.ike, version=version)
        tunnels[name] = replace(tunnel, local_cidrs=local, peer_cidrs=peer, ike=policy)
    state = bring_up(
        lab2, replace(fabric, tunnels=tunnels), SecretStore(tmp_path, {"TUNNELWRIGHT_KEY_LAB": "a lab key"})
    )
    (sa,) = state.sas_of("tw-paris-000")
    found = {(a, b) for child in sa.children for a in child.local_ts for b in child.remote_ts}
    assert found == {(a, b) for a in here for b in far}
    assert len(sa.children) == (6 if version == 1 else 1)
