"""A Debian router with systemd loses its power, its rules and its network: it leaks nothing, and its tunnel
carries again by itself. All tests share one machine: an emulated processor takes its time for each boot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.engine import until
from tests.lab.boots import rounds
from tests.lab.boots.machine import DEADLINE
from tests.lab.boots.site import Site, Traffic
from tests.lab.kernel.switches import one_network_more

pytestmark = [pytest.mark.engine, pytest.mark.alone]

VIP = "203.0.113.11/24"
RELOADS = 10
TABLE = "nft list table inet tunnelwright"
ADDRESSES = "ip -4 address show dev eth0"
NETWORKS = {"eth0": "203.0.113.1/24", "eth1": "10.1.0.1/24", "eth2": "10.0.2.15/24"}


def test_systemd_takes_the_units(site: Site) -> None:
    units = "/etc/systemd/system/tunnelwright-*.service nftables.service sysinit.target multi-user.target"
    assert site.machine.run(f"systemd-analyze verify --man=no {units}") == ""
    assert site.machine.run("systemctl is-active tunnelwright-watch") == "active\n"


def test_the_rules_of_the_router_are_loaded_again_without_a_leak(site: Site) -> None:
    """Debian's file begins with `flush ruleset`; restart and stop flush as well."""
    with Traffic(site) as traffic:
        traffic.carries()
        for verb in (*["reload"] * RELOADS, "restart", "stop", "start"):
            site.machine.run(f"systemctl {verb} nftables")
            assert "set guarded" in site.machine.run(TABLE), verb
        traffic.carries()
        traffic.hold()
    assert site.preview().plan.empty


def test_without_the_drop_in_a_reload_leaks(site: Site) -> None:
    """The control: the unit as Debian has it, and the guards loaded after it."""
    drop_in = "/etc/systemd/system/nftables.service.d/tunnelwright.conf"
    site.machine.run(f"systemctl stop tunnelwright-watch; rm {drop_in}; systemctl daemon-reload")
    with Traffic(site) as traffic:
        traffic.carries()
        for _ in range(RELOADS):
            site.machine.run("systemctl reload nftables; /etc/tunnelwright/load")
        assert until(lambda: traffic.clear() > 0, DEADLINE)
    site.apply()
    site.machine.run("systemctl start tunnelwright-watch")
    assert site.preview().plan.empty


@pytest.mark.parametrize(
    "command",
    ["flush ruleset", "flush table inet tunnelwright", "flush set inet tunnelwright guarded",
     "insert rule inet tunnelwright forward accept"],
)  # fmt: skip
def test_a_change_of_the_table_by_hand_is_mended_by_the_router(site: Site, command: str) -> None:
    before = site.machine.run("nft -s list table inet tunnelwright | sort")
    site.machine.run(f"nft {command}")
    assert until(lambda: site.machine.run("nft -s list table inet tunnelwright | sort") == before, DEADLINE)
    assert mended(site)


def test_the_watch_leaves_an_apply_alone(site: Site) -> None:
    """The rules change, and elements come and go, while it listens."""
    before = mended(site)
    routers = {name: replace(router, mss=1280) for name, router in site.fabric.routers.items()}
    for fabric in (
        one_network_more(site.fabric),
        replace(site.fabric, routers=routers),
        site.fabric,
    ):
        site.apply(fabric)
        assert site.preview(fabric).plan.empty
    assert mended(site) == before


def mended(site: Site) -> int:
    """How often the router has loaded its guards again since its boot."""
    return site.machine.run("journalctl -b -u tunnelwright-watch").count("loaded again")


def test_a_restart_of_networking_keeps_the_vip(site: Site) -> None:
    """ifupdown flushes an interface that it takes down."""
    assert VIP in site.machine.run(ADDRESSES)
    site.machine.run("ifdown eth0")
    assert VIP not in site.machine.run(ADDRESSES)
    site.machine.run("systemctl restart networking")
    assert VIP in site.machine.run(ADDRESSES)
    assert site.preview().plan.empty


@pytest.mark.parametrize(
    "spoil",
    ["rm /etc/systemd/system/sysinit.target.d/tunnelwright.conf", "rm /etc/tunnelwright/guard.nft",
     "sed -i s/ExecStart=.*/ExecStart=true/ /etc/systemd/system/tunnelwright-guard.service",
     "chmod 666 /etc/tunnelwright/load", "rm /etc/network/if-up.d/tunnelwright"],
)  # fmt: skip
def test_drift_of_what_the_router_boots_from_is_mended(site: Site, spoil: str) -> None:
    site.machine.run(spoil)
    assert [change.resource.kind for change in site.preview().plan.changes] == ["boot"]
    site.apply()
    assert site.preview().plan.empty


def test_nothing_leaks_while_charon_never_starts(site: Site) -> None:
    found = rounds.without_charon(site)
    assert found.dropped >= rounds.ENOUGH
    with Traffic(site) as traffic:
        traffic.carries()


def test_networkd_keeps_the_vip(site: Site) -> None:
    """Another program brings the interfaces up: it removes addresses that its own files do not have."""
    for interface, address in NETWORKS.items():
        lines = f"[Match]\\nName={interface}\\n[Network]\\nAddress={address}\\n"
        site.machine.run(f"printf '{lines}' > /etc/systemd/network/10-{interface}.network")
    site.machine.run("systemctl disable networking; systemctl enable --now systemd-networkd")
    restarted(site)
    kinds = {change.resource.kind for change in site.preview().plan.changes}
    assert "boot" in kinds
    site.apply()
    restarted(site)
    assert VIP in site.machine.run(ADDRESSES)
    assert site.preview().plan.empty


def restarted(site: Site) -> None:
    """Restart systemd-networkd, and wait until it has done its work."""
    site.machine.run("systemctl restart systemd-networkd")
    configured = "networkctl --no-legend list | grep -c configured || true"
    assert until(lambda: int(site.machine.run(configured)) == len(NETWORKS), DEADLINE, poll=1)


def test_a_boot_whose_power_is_cut_leaks_nothing_and_the_next_one_carries(site: Site) -> None:
    found = rounds.cut_at(site, "the first packet of charon")
    assert found.clear == 0
    assert VIP in site.machine.run(ADDRESSES)


def test_without_the_guards_a_boot_leaks(site: Site) -> None:
    assert rounds.without_guards(site).clear >= rounds.ENOUGH
    assert site.preview().plan.empty


def test_a_router_that_leaves_the_fabric_keeps_nothing(site: Site) -> None:
    bare = replace(site.fabric, tunnels={}, vips={})
    site.apply(bare)
    ours = "find /etc /run/systemd/system -name '*tunnelwright*' -o -path '/etc/tunnelwright/*'"
    record = {"/etc/tunnelwright", "/etc/tunnelwright/addresses"}
    assert set(site.machine.run(ours).split()) <= record
    assert "inactive" in site.machine.run("systemctl is-active tunnelwright-watch || true")
    assert site.machine.run("systemctl --failed --no-legend") == ""
