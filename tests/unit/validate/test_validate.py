"""What a valid desired state becomes; what is wrong with others is in tests/errors."""

from __future__ import annotations

import dataclasses
import random
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.load import load_tree
from reconciler.model.fabric import Fabric, IdType, IkeId, PskRef
from reconciler.operations.revisions import between
from reconciler.validate import validate
from reconciler.validate.identities import name_id
from tests.unit.validate.test_connections import without_places

ROOT = Path(__file__).parents[3]
DESIRED_STATE = ROOT / "desired_state"
BASE = ROOT / "tests" / "errors" / "base"


def fabric_of(folder: Path) -> Fabric:
    """The fabric of a folder without findings."""
    fabric, found = validate(load_tree(folder))
    assert list(found) == []
    return fabric


def test_the_committed_desired_state_is_valid() -> None:
    fabric = fabric_of(DESIRED_STATE)
    assert set(fabric.routers) == {"router-a", "router-b", "router-c"}
    assert {name: tunnel.other_end for name, tunnel in fabric.tunnels.items()} == {
        "a-to-b": "b-to-a",
        "b-to-a": "a-to-b",
        "a-to-c": "c-to-a",
        "c-to-a": "a-to-c",
    }


def test_the_two_document_form_of_the_committed_desired_state_plans_to_the_same() -> None:
    """That of the tests, which has a document for each end."""
    short, long = (without_places(fabric_of(tree)) for tree in (DESIRED_STATE, ROOT / "tests" / "sites"))
    assert not any(tunnel.origin for tunnel in fabric_of(ROOT / "tests" / "sites").tunnels.values())
    assert between(short, long, datetime.now(UTC)).plan.changes == ()
    assert short.tunnels == {
        name: replace(tunnel, description=short.tunnels[name].description)
        for name, tunnel in long.tunnels.items()
    }


def test_references_and_defaults_are_resolved() -> None:
    tunnel = fabric_of(DESIRED_STATE).tunnels["a-to-b"]
    assert tunnel.vip.address == "203.0.113.10"
    assert (tunnel.vip.interface, tunnel.vip.prefix_length, tunnel.vip.managed) == ("wan0", 24, True)
    assert tunnel.local_cidrs == ("10.1.0.0/24",)
    assert tunnel.local_id == IkeId(IdType.IP, "203.0.113.10")
    assert tunnel.psk == PskRef("file", "site-a--site-b.psk")
    assert tunnel.ike.dh_group == 14
    assert tunnel.esp.pfs_group == 14


def test_without_a_policy_the_service_decides() -> None:
    tunnel = fabric_of(BASE).tunnels["b-to-a"]
    ike, esp = tunnel.ike, tunnel.esp
    assert (ike.version, ike.integrity, ike.encryption, ike.dh_group, ike.lifetime) == (
        2,
        "sha256",
        "aes-256",
        2,
        86_400,
    )
    assert (ike.dpd_enabled, ike.dpd_action) == (True, "restart")
    assert (esp.integrity, esp.encryption, esp.pfs_group, esp.lifetime) == ("sha256", "aes-256", 14, 3_600)


def test_one_attached_network_is_the_source() -> None:
    assert fabric_of(BASE).tunnels["b-to-a"].local_cidrs == ("10.2.0.0/24",)


def test_the_system_vip_is_the_routers_own_address() -> None:
    fabric = fabric_of(DESIRED_STATE)
    vip = fabric.tunnels["c-to-a"].vip
    assert (vip.address, vip.managed, vip.router) == ("203.0.113.4", False, "router-c")


def test_an_assigned_address_comes_from_the_lock() -> None:
    fabric = fabric_of(DESIRED_STATE)
    assert fabric.tunnels["a-to-c"].vip.address == "203.0.113.11"
    assert fabric.tunnels["a-to-c"].vip.managed


@given(st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(chance: random.Random) -> None:
    loaded = load_tree(DESIRED_STATE)
    documents = list(loaded.documents)
    chance.shuffle(documents)
    shuffled = dataclasses.replace(loaded, documents=tuple(documents))
    assert validate(shuffled)[0] == validate(loaded)[0]


def test_a_tunnel_may_use_the_vip_that_another_created(tmp_path: Path) -> None:
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    text = (BASE / "a-to-b.yaml").read_text()
    text = text.replace("name: a-to-b", "name: a-to-x").replace("203.0.113.20", "198.51.100.1")
    text = text.replace("create: {publicNetwork: wan, address: 203.0.113.10}", "name: a-to-b")
    (tmp_path / "x.yaml").write_text(text.replace("10.2.0.0/24", "10.7.0.0/24"))
    fabric = fabric_of(tmp_path)
    assert fabric.tunnels["a-to-x"].vip == fabric.tunnels["a-to-b"].vip
    assert fabric.tunnels["a-to-x"].other_end is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("site-a", IkeId(IdType.FQDN, "site-a")),
        ("@site-a", IkeId(IdType.FQDN, "site-a")),
        ("@203.0.113.1", IkeId(IdType.FQDN, "203.0.113.1")),
        ("203.0.113.1", IkeId(IdType.IP, "203.0.113.1")),
        ("vpn@site-a.example", IkeId(IdType.EMAIL, "vpn@site-a.example")),
        ("@vpn@site-a", IkeId(IdType.FQDN, "vpn@site-a")),
        ("203.0.113", IkeId(IdType.FQDN, "203.0.113")),
    ],
)
def test_ids_by_name(text: str, expected: IkeId) -> None:
    assert name_id(text) == expected


def test_a_hint_names_what_was_meant(tmp_path: Path) -> None:
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "a-to-b.yaml"
    path.write_text(path.read_text().replace("networks: [a-app]", "netwroks: [a-app]"))
    _, found = validate(load_tree(tmp_path))
    unknown = next(item for item in found if item.code == "unknown-field")
    assert unknown.path == "spec.source.netwroks"
    assert unknown.allowed == "networks, transit"
    assert unknown.hint == "did you mean 'networks'?"


def test_a_second_tunnel_to_a_peer_has_a_hint(tmp_path: Path) -> None:
    for folder in (BASE, BASE.parent / "duplicate-peer"):
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    [found] = validate(load_tree(tmp_path))[1].errors
    assert found.hint == "add its networks to 'fourth', or give it a VIP of its own"


def test_findings_of_a_pair_name_both_files(tmp_path: Path) -> None:
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "b-to-a.yaml"
    path.write_text(path.read_text() + "  ike: {dhGroup: 14}\n")
    _, found = validate(load_tree(tmp_path))
    (error,) = found.errors
    assert error.location.file == "b-to-a.yaml"
    assert [place.file for place in error.related] == ["a-to-b.yaml"]


def test_keys_of_two_names_are_left_to_the_plan(tmp_path: Path) -> None:
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "b-to-a.yaml"
    path.write_text(path.read_text().replace("{file: a--b.psk}", "{env: TUNNELWRIGHT_KEY_A_B}"))
    assert fabric_of(tmp_path).tunnels["b-to-a"].psk == PskRef("env", "TUNNELWRIGHT_KEY_A_B")
