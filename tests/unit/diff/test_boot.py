"""Boot files: which ones a router gets, and in which order they follow the table."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.diff.boot import boot_changes
from reconciler.facets import boot
from reconciler.model.operation import RemoveOwned, WriteOwned
from reconciler.model.plan import Action, Phase, ResourceChange
from reconciler.model.router_config import (
    AddressRecord,
    Firewall,
    LiveOwnedFile,
    Platform,
    RouterConfig,
    RouterState,
)
from tests.contract.sites import change_tunnels
from tests.fabrics import two_routers
from tests.unit.diff.ends import compiled, desired, fields, held, steps

SYSTEMD = Platform(systemd=True, ruleset="/etc/nftables.conf", networkd={"eth0": "10-eth0.network"})
VIPS = tuple(desired().addresses)
NETWORK = "/etc/systemd/network/10-eth0.network.d/tunnelwright.conf"
UNITS = "/etc/systemd/system"


def change_of(wanted: RouterConfig, live: RouterState) -> ResourceChange:
    [change] = boot_changes(wanted, live)
    return change


def written(change: ResourceChange, phase: Phase) -> dict[str, str]:
    """Path to content of what is written in a phase."""
    found: dict[str, str] = {}
    for step in change.steps:
        if isinstance(step.operation, WriteOwned) and step.phase is phase:
            found |= {path: file.content for path, file in step.operation.files.items()}
    return found


def test_a_router_as_desired_has_nothing_to_write() -> None:
    assert list(boot_changes(desired(), held())) == []


def test_a_bare_router_gets_the_guards_before_what_loads_them() -> None:
    """A boot in between must not find a script that loads what is not there: it would close the router."""
    change = change_of(desired(), replace(held(), owned={}, platform=SYSTEMD))
    assert change.action is Action.CREATE
    [step] = change.steps
    assert step.phase is Phase.GUARD
    paths = list(written(change, Phase.GUARD))
    assert paths[0] == boot.GUARD
    assert paths.index(f"{boot.FOLDER}/load") < paths.index(f"{UNITS}/nftables.service.d/tunnelwright.conf")
    rules = f"{UNITS}/nftables.service.d/tunnelwright"
    assert paths.index(f"{rules}.sh") < paths.index(f"{rules}.conf")
    assert paths.index(f"{UNITS}/tunnelwright-guard.service") < paths.index(
        f"{UNITS}/sysinit.target.d/tunnelwright.conf"
    )


def test_the_file_has_new_guards_before_and_old_ones_until_after_the_tunnels() -> None:
    wanted = compiled(change_tunnels(two_routers(), peer_cidrs=("10.9.0.0/24",)))
    change = change_of(wanted, held())
    assert [phase for phase, _ in steps(change)] == [Phase.GUARD, Phase.UNGUARD]
    old, new = "10.1.0.0/24 . 10.2.0.0/24", "10.1.0.0/24 . 10.9.0.0/24"
    during, after = (written(change, phase)[boot.GUARD] for phase in (Phase.GUARD, Phase.UNGUARD))
    assert old in during
    assert new in during
    assert old not in after
    assert new in after


def test_an_element_that_was_added_to_the_table_by_hand_stays_out_of_the_file() -> None:
    table = held().firewall
    assert table is not None
    odd = replace(table, guarded=table.guarded | {("10.1.0.0/24", "172.16.0.0/16")})
    assert list(boot_changes(desired(), replace(held(), firewall=odd))) == []


def test_a_file_differs_by_content_mode_and_owner() -> None:
    right = held().owned[boot.SYSCTLS]
    for wrong, words in (
        (replace(right, digest="0" * 64), ("other content", "tunnelwright's")),
        (replace(right, mode=0o666), ("mode 0666, owner 0:0", "mode 0644, owner 0:0")),
        (replace(right, owner="1000:0"), ("mode 0644, owner 1000:0", "mode 0644, owner 0:0")),
    ):
        change = change_of(desired(), replace(held(), owned={**held().owned, boot.SYSCTLS: wrong}))
        assert fields(change) == {boot.SYSCTLS: words}
        assert list(written(change, Phase.GUARD)) == [boot.SYSCTLS]


def test_what_is_removed_goes_last_and_units_before_what_they_start() -> None:
    bare = RouterConfig("paris")
    live = replace(held(), platform=SYSTEMD)
    live = replace(live, owned=boot.as_applied(boot.boot_files(desired(), SYSTEMD, VIPS)))
    change = change_of(bare, live)
    assert change.action is Action.DELETE
    [step] = change.steps
    assert step.phase is Phase.UNGUARD
    assert isinstance(step.operation, RemoveOwned)
    assert set(step.operation.paths) == set(live.owned)
    places = [path.startswith(boot.FOLDER) for path in step.operation.paths]
    assert places == sorted(places)


def test_what_starts_a_script_is_removed_before_it() -> None:
    live = replace(held(), owned=boot.as_applied(boot.boot_files(desired(), SYSTEMD, VIPS)), platform=SYSTEMD)
    bare = replace(desired(), guards={}, addresses={}, firewall=Firewall())
    [removed] = [
        s.operation.paths for s in change_of(bare, live).steps if isinstance(s.operation, RemoveOwned)
    ]
    rules = f"{UNITS}/nftables.service.d/tunnelwright"
    assert (
        removed.index(f"{rules}.conf") < removed.index(f"{rules}.sh") < removed.index(f"{boot.FOLDER}/load")
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["with", "/etc/nftables.conf"], "-f /etc/nftables.conf"), (["flush"], "flush ruleset")],
)
def test_without_guards_nftables_service_does_what_it_did(
    tmp_path: Path, words: list[str], expected: str
) -> None:
    """The machine that runs this has no /etc/tunnelwright, as a router from which it was removed."""
    (tmp_path / "nft").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "nft").chmod(0o755)
    script = boot.boot_files(desired(), SYSTEMD, VIPS)[f"{UNITS}/nftables.service.d/tunnelwright.sh"].content
    done = subprocess.run(
        ["sh", "-s", *words],
        input=script,
        env={"PATH": f"{tmp_path}:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{expected}\n"


def test_a_unit_of_a_former_platform_is_removed() -> None:
    surplus = {f"{UNITS}/tunnelwright-guard.service": LiveOwnedFile("0" * 64, 0o644)}
    change = change_of(desired(), replace(held(), owned={**held().owned, **surplus}))
    assert fields(change) == {f"{UNITS}/tunnelwright-guard.service": ("present", None)}


def test_the_files_are_those_that_the_router_can_use() -> None:
    """What starts it is observed: units with systemd, a drop-in for each network of networkd with VIPs, a
    hook of ifupdown."""
    plain = set(boot.boot_files(desired(), Platform(), VIPS))
    systemd = boot.boot_files(desired(), SYSTEMD, VIPS)
    assert {path.removeprefix(UNITS) for path in systemd.keys() - plain} == {
        "/tunnelwright-guard.service",
        "/tunnelwright-addresses.service",
        "/tunnelwright-watch.service",
        "/nftables.service.d/tunnelwright.conf",
        "/nftables.service.d/tunnelwright.sh",
        "/sysinit.target.d/tunnelwright.conf",
        "/multi-user.target.d/tunnelwright.conf",
        NETWORK,
    }
    network = systemd[NETWORK].content
    assert network == "[Network]\nAddress=203.0.113.11/24\n"
    without = boot.boot_files(desired(), replace(SYSTEMD, ruleset="", networkd={}), VIPS)
    assert set(systemd) - set(without) == {
        NETWORK,
        f"{UNITS}/nftables.service.d/tunnelwright.conf",
        f"{UNITS}/nftables.service.d/tunnelwright.sh",
    }
    hook = set(boot.boot_files(desired(), Platform(ifupdown=True), VIPS)) - plain
    assert hook == {"/etc/network/if-up.d/tunnelwright"}


def test_a_vip_that_is_not_ours_is_not_written_for_networkd() -> None:
    """It is the task of its author to bring it back."""
    assert NETWORK in written(change_of(desired(), replace(held(), owned={}, platform=SYSTEMD)), Phase.GUARD)
    there = replace(held(), owned={}, platform=SYSTEMD, record=AddressRecord())
    assert NETWORK not in written(change_of(desired(), there), Phase.GUARD)
    missing = replace(there, addresses=frozenset())
    assert NETWORK in written(change_of(desired(), missing), Phase.GUARD)
