"""A Debian router with systemd loses its power, its rules and its network: it leaks nothing, and its tunnel
carries again by itself. All tests share one machine: an emulated processor takes its time for each boot."""

from __future__ import annotations

import pytest

from lab.engine import until
from reconciler.model.way_back import Cause
from tests.lab.boots import rounds
from tests.lab.boots.machine import DEADLINE
from tests.lab.boots.site import Site, Traffic

pytestmark = [pytest.mark.engine, pytest.mark.machine]

VIP = "203.0.113.11/24"
RELOADS = 10
TABLE = "nft list table inet tunnelwright"
ADDRESSES = "ip -4 address show dev eth0"
NETWORK = "/etc/systemd/network/wan.network"


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
    assert site.left() == []


def test_a_restart_of_the_network_takes_no_vip(site: Site) -> None:
    """ifupdown takes all interfaces down, and our hook adds the VIP when they come up again."""
    with Traffic(site) as traffic:
        traffic.carries()
        site.machine.run("systemctl restart networking")
        assert VIP in site.machine.run(ADDRESSES)
        traffic.carries()
        traffic.hold()
    assert rounds.repaired(site)


def test_nothing_leaks_without_charon_nor_when_the_power_is_cut_as_it_starts(site: Site) -> None:
    """The power is cut twice: while the tunnel carries, and, after a boot in which charon never starts,
    at its first packet. The next boot carries. (`make boots` cuts at more moments.)"""
    found = rounds.without_charon(site)
    assert found.clear == 0
    assert VIP in site.machine.run(ADDRESSES)


def test_an_armed_router_without_boot_files_has_them_back_at_its_boot(site: Site) -> None:
    """The power is cut after a change has removed all that starts at a boot, and before it was confirmed."""
    found = rounds.armed_without_boot_files(site)
    assert found.clear == 0
    state = site.preview().observation.states["paris"]
    assert state.way_back.back is not None
    assert (state.way_back.back.cause, state.way_back.back.problems) == (Cause.RESTART, ())
    assert site.left() == []
    assert VIP in site.machine.run(ADDRESSES)
    assert site.machine.run("systemctl is-active tunnelwright-guard tunnelwright-watch") == "active\n" * 2
    assert site.machine.run("ls /etc/systemd/system | grep way-back || :") == ""


def test_without_the_guards_a_boot_leaks(site: Site) -> None:
    assert rounds.without_guards(site).clear >= rounds.ENOUGH
    assert site.left() == []


def test_a_restart_of_networkd_takes_no_vip(site: Site) -> None:
    """systemd-networkd removes addresses that its files do not have, and so it gets one that has the VIP."""
    network = "[Match]\nName=eth0\n[Network]\nAddress=203.0.113.1/24\nGateway=203.0.113.254\n"
    site.machine.run(f"printf '{network}' >{NETWORK} && systemctl start systemd-networkd")
    assert until(lambda: site.preview().observation.states["paris"].platform.networkd != {}, DEADLINE, poll=1)
    assert "paris/boot/files" in {str(change.resource) for change in site.left()}
    # The VIP went with the start of networkd. When it is there again, both ends may bring the tunnel up.
    site.begin()
    assert rounds.repaired(site)
    with Traffic(site) as traffic:
        traffic.carries()
        site.machine.run("systemctl restart systemd-networkd && networkctl reconfigure eth0")
        assert until(lambda: "routable" in site.machine.run("networkctl list eth0"), DEADLINE, poll=1)
        assert VIP in site.machine.run(ADDRESSES)
        traffic.carries()
        traffic.hold()
    assert rounds.repaired(site)
    stop = "systemctl stop systemd-networkd.socket systemd-networkd"
    site.machine.run(f"rm {NETWORK}; {stop}; rm -f /run/systemd/netif/links/*")
    site.begin()
    assert rounds.repaired(site)
