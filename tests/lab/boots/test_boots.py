"""A Debian router with systemd loses its power: it leaks nothing, and its tunnel carries again by itself."""

from __future__ import annotations

import pytest

from lab.capture import Watch
from tests.lab.boots.site import Site, hold

pytestmark = [pytest.mark.engine, pytest.mark.alone]


def test_a_boot_after_a_power_cut_leaks_nothing_and_the_tunnel_carries(site: Site) -> None:
    stream = site.stream()
    with Watch(site.lab) as watch:
        stream.start()
        site.machine.cut()
        site.boot()
        site.carries(stream)
        stream.stop()
    hold(watch, stream)
    site.machine.wait_up()
    assert site.preview().plan.empty, "nothing has to be mended"


def test_the_rules_of_the_router_are_loaded_again_without_a_leak(site: Site) -> None:
    """Debian's file begins with `flush ruleset`; restart and stop flush as well."""
    stream = site.stream()
    with Watch(site.lab) as watch:
        stream.start()
        for verb in (*["reload"] * 10, "restart", "stop", "start"):
            site.machine.run(f"systemctl {verb} nftables")
            assert "set guarded" in site.machine.run("nft list table inet tunnelwright"), verb
        site.carries(stream)
        stream.stop()
    hold(watch, stream)
    assert site.preview().plan.empty


def test_a_restart_of_the_network_keeps_the_vip(site: Site) -> None:
    """ifupdown flushes an interface that it takes down."""
    before = site.machine.run("cat /proc/sys/kernel/random/boot_id; ip -4 address show dev eth0")
    assert "203.0.113.11/24" in before
    site.machine.run("systemctl restart networking")
    assert "203.0.113.11/24" in site.machine.run("ip -4 address show dev eth0")
    assert site.preview().plan.empty


def test_a_table_that_is_flushed_by_hand_is_drift(site: Site) -> None:
    """Nothing on the router listens: the next look finds it."""
    site.machine.run("nft flush ruleset")
    assert {change.resource.kind for change in site.preview().plan.changes} == {"firewall"}
    site.apply()
    assert site.preview().plan.empty
