"""Assigned addresses: free, in the right range, and stable."""

from __future__ import annotations

import random
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.load import load_tree
from reconciler.load.reading import LOCK_NAME
from reconciler.model.diagnostic import Diagnostics
from reconciler.validate import validate
from reconciler.validate.allocate import allocate, render_lock

NETWORKS = """\
apiVersion: tunnelwright/v1
kind: PublicNetwork
metadata: {name: wan}
spec:
  cidr: 203.0.113.0/28
  gateway: 203.0.113.3
  normalRanges:
    - {name: low, first: 203.0.113.0, last: 203.0.113.7}
  addressPools:
    - {name: pool, first: 203.0.113.10, last: 203.0.113.15}
---
apiVersion: tunnelwright/v1
kind: VpcNetwork
metadata: {name: lan}
spec: {cidr: 10.0.0.0/24}
---
apiVersion: tunnelwright/v1
kind: VpcRouter
metadata: {name: r}
spec:
  publicNetworks:
    - {network: wan, interface: eth0, address: 203.0.113.1}
  vpcNetworks:
    - {network: lan, interface: eth1, address: 10.0.0.1}
"""


def vip(name: str, *, range_name: str = "", address: str = "") -> str:
    text = "apiVersion: tunnelwright/v1\nkind: Vip\n"
    text += f"metadata: {{name: '{name}'}}\nspec:\n  router: r\n  publicNetwork: wan\n"
    return text + f"  range: {range_name}\n  address: {address}\n"


def assign(root: Path, *vips: str) -> tuple[dict[str, str], Diagnostics]:
    """Allocate for these VIPs, and commit the lock file to the folder."""
    (root / "fabric.yaml").write_text("---\n".join((NETWORKS, *vips)))
    addresses, found = allocate(load_tree(root))
    (root / LOCK_NAME).write_text(render_lock(addresses))
    return addresses, found


def test_the_lowest_free_address(tmp_path: Path) -> None:
    addresses, found = assign(tmp_path, vip("b"), vip("a"), vip("fixed", address="203.0.113.2"))
    # .0 is the network, .1 the router, .2 taken, .3 the gateway.
    assert addresses == {"a": "203.0.113.4", "b": "203.0.113.5"}
    assert list(found) == []
    assert list(validate(load_tree(tmp_path))[1]) == []


def test_a_pool_is_used_by_name_and_without_its_ends(tmp_path: Path) -> None:
    addresses, _ = assign(tmp_path, vip("a", range_name="pool"))
    assert addresses == {"a": "203.0.113.11"}


def test_assignments_stay(tmp_path: Path) -> None:
    assign(tmp_path, vip("m"), vip("n"))
    addresses, _ = assign(tmp_path, vip("a"), vip("m"), vip("n"))
    assert (addresses["m"], addresses["n"]) == ("203.0.113.2", "203.0.113.4")
    addresses, _ = assign(tmp_path, vip("a"), vip("n"))
    assert addresses == {"a": "203.0.113.5", "n": "203.0.113.4"}


def test_a_renamed_tunnel_keeps_the_address_of_its_vip(tmp_path: Path) -> None:
    def tunnel(metadata: str) -> str:
        return (
            f"apiVersion: tunnelwright/v1\nkind: IPsecTunnel\nmetadata: {metadata}\nspec:\n  router: r\n"
            "  vip: {create: {publicNetwork: wan}}\n  peer: {address: 198.51.100.1, cidrs: [10.9.0.0/24]}\n"
            "  authentication: {mode: psk, key: {env: TUNNELWRIGHT_KEY_A}}\n"
        )

    before, _ = assign(tmp_path, tunnel("{name: old}"))
    (address,) = before.values()
    after, _ = assign(tmp_path, tunnel("{name: new, previousNames: [older, old]}"), vip("a"))
    assert after["new"] == address != after["a"]
    assert list(validate(load_tree(tmp_path))[1]) == []


def test_an_assignment_gives_way_to_a_fixed_address(tmp_path: Path) -> None:
    assign(tmp_path, vip("a"))
    addresses, _ = assign(tmp_path, vip("a"), vip("fixed", address="203.0.113.2"))
    assert addresses == {"a": "203.0.113.4"}


def test_an_assignment_follows_its_range(tmp_path: Path) -> None:
    assign(tmp_path, vip("a"))
    addresses, _ = assign(tmp_path, vip("a", range_name="pool"))
    assert addresses == {"a": "203.0.113.11"}


def test_an_exhausted_range_is_reported(tmp_path: Path) -> None:
    addresses, found = assign(tmp_path, *(vip(f"p{n}", range_name="pool") for n in range(5)))
    assert len(addresses) == 4
    assert [item.code for item in found.errors] == ["range-exhausted"]


def test_a_range_that_is_not_there_is_no_exhausted_one(tmp_path: Path) -> None:
    addresses, found = assign(tmp_path, vip("a", range_name="poool"), vip("b"))
    assert addresses == {"b": "203.0.113.2"}
    assert [(item.code, item.hint) for item in found.errors] == [
        ("dangling-reference", "did you mean 'pool'?")
    ]


def test_names_that_look_like_numbers_survive_the_file(tmp_path: Path) -> None:
    addresses, _ = assign(tmp_path, vip("123"), vip("null"), vip("0x1f"))
    loaded = load_tree(tmp_path)
    assert {name: entry.address for name, entry in loaded.lock.items()} == addresses
    assert loaded.diagnostics == ()


NAMES = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.sets(NAMES, max_size=5), st.sets(NAMES, max_size=5), st.randoms(use_true_random=False))
def test_any_change_keeps_what_stays(before: set[str], after: set[str], chance: random.Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        first, _ = assign(root, *map(vip, sorted(before)))
        shuffled = sorted(after)
        chance.shuffle(shuffled)
        second, found = assign(root, *map(vip, shuffled))
        assert {name: second[name] for name in before & after} == {
            name: first[name] for name in before & after
        }
        assert set(second) == after
        assert len(set(second.values())) == len(after)
        assert list(found) == []
        assert assign(root, *map(vip, shuffled))[0] == second


@pytest.mark.parametrize("mapping", [{}, {"a": "203.0.113.2"}])
def test_the_file_says_what_it_is(mapping: dict[str, str]) -> None:
    assert "tunnelwright allocate" in render_lock(mapping)


@pytest.mark.parametrize(("first", "second"), [("a", "z"), ("z", "a")])
def test_of_two_lines_that_a_merge_kept_the_first_keeps_its_address(
    first: str, second: str, tmp_path: Path
) -> None:
    """Two branches gave one address to two VIPs. That of the branch that is applied does not move."""
    (tmp_path / "fabric.yaml").write_text("---\n".join((NETWORKS, vip("a"), vip("z"))))
    (tmp_path / LOCK_NAME).write_text(f"{first}: 203.0.113.4\n{second}: 203.0.113.4\n")
    _, found = validate(load_tree(tmp_path))
    [said] = found
    assert (said.code, said.location.line) == ("address-taken", 2)
    assert f"the VIP {second!r} already belongs to the VIP {first!r}" in said.message
    assert "gives this VIP another address" in said.hint
    addresses, _ = assign(tmp_path, vip("a"), vip("z"))
    assert addresses[first] == "203.0.113.4"
    assert addresses[second] != "203.0.113.4"
    _, found = validate(load_tree(tmp_path))
    assert list(found) == []


def test_of_two_lines_that_a_merge_left_in_order_of_name_the_one_of_the_base_keeps_its_address(
    tmp_path: Path,
) -> None:
    """Git merges two added lines that are not side by side without a conflict."""
    lines = "a: 203.0.113.4\nm: 203.0.113.5\nz: 203.0.113.4\n"
    (tmp_path / "fabric.yaml").write_text("---\n".join((NETWORKS, vip("a"), vip("m"), vip("z"))))
    (tmp_path / LOCK_NAME).write_text(lines)
    merged = load_tree(tmp_path)
    (tmp_path / LOCK_NAME).write_text("m: 203.0.113.5\nz: 203.0.113.4\n")
    base = load_tree(tmp_path).lock
    addresses, found = allocate(merged, base)
    assert list(found) == []
    assert (addresses["z"], addresses["m"]) == ("203.0.113.4", "203.0.113.5")
    assert addresses["a"] not in {"203.0.113.4", "203.0.113.5"}


def test_hints_about_conflict_markers_do_not_lead_in_a_circle(tmp_path: Path) -> None:
    """Neither `validate` nor `allocate` says to run `allocate` on a file that it does not read."""
    (tmp_path / "fabric.yaml").write_text("---\n".join((NETWORKS, vip("a"), vip("z"))))
    ours, theirs = "a: 203.0.113.4\n", "z: 203.0.113.4\n"
    marked = f"<<<<<<< HEAD\n{ours}=======\n{theirs}>>>>>>> feature\n"
    (tmp_path / LOCK_NAME).write_text(marked)
    for found in (validate(load_tree(tmp_path))[1], allocate(load_tree(tmp_path))[1]):
        [said] = found
        assert (said.code, said.location.line) == ("conflict-markers", 1)
        assert said.hint.startswith("keep the right lines between the markers, and remove")
    # What the hint says: keep one line for each VIP, and allocate.
    (tmp_path / LOCK_NAME).write_text(ours + theirs)
    addresses, _ = assign(tmp_path, vip("a"), vip("z"))
    assert addresses["a"] == "203.0.113.4"
    assert list(validate(load_tree(tmp_path))[1]) == []
