"""A router that loses its power comes back by itself, and nothing of a guarded pair is ever in the clear."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.capture import Watch
from lab.engine import Engine, until
from lab.packets import Packet
from lab.proof import capture_whole, no_cleartext
from lab.session import Lab
from lab.topology import Role, flows_of
from lab.traffic import Stream
from reconciler.model.fabric import Fabric
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import ObservedPlan, observed_plan
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.links import Links
from reconciler.secrets import SecretStore
from tests.contract.sites import PSK, PSK_VARIABLE
from tests.converged import assert_converged
from tests.fabrics import two_routers

pytestmark = pytest.mark.engine
BACK = 60.0
CIDRS = ("10.1.0.0/24", "10.2.0.0/24")


class Site:
    """Two routers with a tunnel, and packets that are sent through it in both directions."""

    def __init__(self, lab: Lab, fabric: Fabric, links: Links, folder: Path) -> None:
        self.lab, self.fabric = lab, fabric
        self.fleet = Fleet(lambda name: DockerRouter(fabric.routers[name], lab.name, links))
        self.keys = SecretStore(folder, {PSK_VARIABLE: PSK})
        [self.flow] = flows_of(fabric, lab.topology)

    def preview(self) -> ObservedPlan:
        """What there is to do."""
        return observed_plan(self.fabric, self.keys, self.fleet)

    def apply(self) -> None:
        """Make the routers as desired."""
        assert_converged(apply(self.preview(), self.fleet, timeout=20))


@pytest.fixture(scope="module")
def site(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    fabric = two_routers()
    with Lab.up(fabric, f"power{os.getpid():x}", engine=engine, image=image) as lab, Links() as links:
        made = Site(lab, fabric, links, tmp_path_factory.mktemp("keys"))
        made.apply()
        yield made


def test_a_tunnel_carries_again_after_a_power_loss_and_nothing_leaks(site: Site) -> None:
    stream = Stream(site.lab, site.flow, rate=200, limit=90)
    with Watch(site.lab) as watch:
        stream.start()
        assert stream.wait_arriving()
        site.lab.power_loss("paris")
        stream.reset()
        assert stream.wait_arriving(BACK), "without an apply"
        results = stream.stop()
    [wan] = watch.wan.values()
    assert all(result.sent for result in results)
    for check in (
        no_cleartext(wan.packets(), CIDRS, stream.tokens),
        capture_whole(watch.dropped, len(watch.captures)),
    ):
        assert check.passed, check.evidence
    watch.discard()
    assert site.preview().plan.empty, "and nothing has to be repaired"


def test_without_the_guards_of_the_boot_there_is_a_leak(site: Site) -> None:
    """The same boot, but the guards are not loaded: it shows that the capture sees what leaks. What is
    missing on the router is drift, which an apply repairs."""
    site.lab.run(Role.ROUTER, "paris", ["sh", "-c", "echo '#!/bin/sh' > /etc/tunnelwright/load"])
    stream = Stream(site.lab, site.flow, rate=200, limit=90)
    with Watch(site.lab) as watch:
        stream.start()
        site.lab.power_loss("paris")
        [wan] = watch.wan.values()
        assert until(lambda: clear(wan.packets(), stream), BACK), "packets are in the clear"
        stream.stop()
    watch.discard()
    kinds = {change.resource.kind for change in site.preview().plan.changes}
    assert {"boot", "firewall"} <= kinds
    site.apply()
    assert site.preview().plan.empty


def clear(packets: list[Packet], stream: Stream) -> bool:
    """Whether a packet of the stream can be read."""
    return any(token in packet.frame for packet in packets for token in stream.tokens)


def test_a_router_that_leaves_the_fabric_keeps_nothing(site: Site) -> None:
    """Without tunnels and VIPs there is nothing to load at a boot. The record of VIPs is not one of these."""
    bare = replace(site.fabric, tunnels={}, vips={})
    assert_converged(apply(observed_plan(bare, site.keys, site.fleet), site.fleet))
    listed = "ls /etc/tunnelwright /etc/sysctl.d | grep -e tunnelwright.conf -e nft -e load -e up || true"
    assert site.lab.run(Role.ROUTER, "paris", ["sh", "-c", listed]) == ""
    site.lab.power_loss("paris")
    site.apply()


def test_nothing_leaks_while_the_inside_of_a_router_is_down(site: Site) -> None:
    """What comes out of the tunnel has no route but the default one then, which leads back out."""
    stream = Stream(site.lab, site.flow, rate=200, limit=90)
    guard = 'oifname "eth0" rt ipsec missing counter packets'

    def stopped() -> int:
        rules = site.lab.run(
            Role.ROUTER, "paris", ["nft", "list", "chain", "inet", "tunnelwright", "forward"]
        )
        [rule] = [line.partition(guard)[2] for line in rules.splitlines() if guard in line]
        return int(rule.split()[0])

    with Watch(site.lab) as watch:
        stream.start()
        assert stream.wait_arriving()
        site.lab.run(Role.ROUTER, "paris", ["ip", "link", "set", "eth1", "down"])
        assert until(lambda: stopped() >= 100, BACK), "they had the chance"
        site.lab.run(Role.ROUTER, "paris", ["ip", "link", "set", "eth1", "up"])
        stream.reset()
        assert stream.wait_arriving(BACK)
        stream.stop()
    [wan] = watch.wan.values()
    for check in (
        no_cleartext(wan.packets(), CIDRS, stream.tokens),
        capture_whole(watch.dropped, len(watch.captures)),
    ):
        assert check.passed, check.evidence
    watch.discard()
