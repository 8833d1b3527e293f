"""A Debian router with systemd loses its power, at moments that events of its boot choose, and leaks nothing.

BOOTS says how many boots there are (`make boots`: 50); one is a part of every run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.capture import Watch
from lab.engine import Engine, until
from lab.packets import Packet, esp_of
from lab.proof import capture_whole, no_cleartext
from lab.session import Lab
from lab.topology import flows_of
from lab.traffic import Stream
from reconciler.apply.phases import apply_plan
from reconciler.model.fabric import Fabric
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Phase
from reconciler.operations.apply import apply
from reconciler.operations.preview import Preview, preview
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.links import Links
from reconciler.routers.protocol import Router
from reconciler.routers.ssh_router import SshRouter
from reconciler.secrets import SecretStore
from tests.contract.sites import PSK, PSK_VARIABLE, change_tunnels
from tests.converged import assert_converged
from tests.fabrics import two_routers
from tests.lab.boots.machine import DEADLINE, Machine, build

pytestmark = [pytest.mark.engine, pytest.mark.alone]
CIDRS = ("10.1.0.0/24", "10.2.0.0/24")
PROTOCOL_UDP = 17
BOOTS = int(os.environ.get("BOOTS", "1"))
MOMENTS: tuple[tuple[str, Callable[[Packet], bool]], ...] = (
    ("the first frame on the WAN", lambda _: True),
    ("charon speaks", lambda packet: packet.protocol == PROTOCOL_UDP),
    ("an SA carries", lambda packet: esp_of(packet) is not None),
)
"""What the machine sends on the WAN when its power is cut."""
PHASES = (Phase.GUARD, Phase.CONNECTIONS, Phase.COMMIT)
"""Of an apply in which its power is cut."""


class Site:
    """paris as a machine, tokyo as a container, one tunnel between them."""

    def __init__(self, lab: Lab, fabric: Fabric, machine: Machine, links: Links, folder: Path) -> None:
        self.lab, self.machine = lab, machine
        paris = replace(fabric.routers["paris"], access=machine.access)
        self.fabric = replace(fabric, routers={**fabric.routers, "paris": paris})
        self.links = links
        self.keys = SecretStore(folder, {PSK_VARIABLE: PSK})
        [self.flow] = flows_of(fabric, lab.topology)
        self.fleet = Fleet(self._connect)

    def _connect(self, name: str) -> Router:
        if name == "paris":
            return SshRouter(name, self.machine.access, self.links)
        return DockerRouter(self.fabric.routers[name], self.lab.name, self.links)

    def preview(self, fabric: Fabric | None = None) -> Preview:
        """What there is to do."""
        return preview(fabric or self.fabric, self.keys, self.fleet)

    def apply(self, fabric: Fabric | None = None) -> None:
        """Make the routers as desired."""
        assert_converged(apply(self.preview(fabric), self.fleet, timeout=30))

    def boot(self) -> None:
        """Switch the machine on, after its power was cut."""
        self.links.clear()
        self.machine.boot()


@pytest.fixture(scope="module")
def site(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    fabric = two_routers()
    folder = tmp_path_factory.mktemp("machine")
    with Lab.up(fabric, f"boots{os.getpid():x}", engine=engine, image=image) as lab, Links() as links:
        machine = build(lab, image, "paris", folder)
        machine.plug_in()
        made = Site(lab, fabric, machine, links, tmp_path_factory.mktemp("keys"))
        try:
            made.boot()
            machine.wait_up()
            made.apply()
            yield made
        finally:
            machine.cut()


def carries(site: Site, stream: Stream) -> None:
    """Wait until packets arrive in both directions."""
    stream.reset()
    assert stream.wait_arriving(DEADLINE), site.machine.console.read_text(errors="replace")[-2000:]


def hold(watch: Watch, stream: Stream) -> None:
    """Nothing of the pair was in the clear, and the capture saw all."""
    [wan] = watch.wan.values()
    for check in (
        no_cleartext(wan.packets(), CIDRS, stream.tokens),
        capture_whole(watch.dropped, len(watch.captures)),
    ):
        assert check.passed, check.evidence
    watch.discard()


@pytest.mark.parametrize("number", range(BOOTS))
def test_a_boot_after_a_power_cut_leaks_nothing_and_the_tunnel_carries(site: Site, number: int) -> None:
    """The machine runs when its power is cut; but for the first test, it is cut once more while it boots."""
    stream = Stream(site.lab, site.flow, rate=50, limit=2 * DEADLINE)
    with Watch(site.lab) as watch:
        stream.start()
        site.machine.cut()
        if number:
            name, happens = MOMENTS[number % len(MOMENTS)]
            [wan] = watch.wan.values()
            before = len(wan.packets())
            site.boot()
            seen = until(lambda: any(map(happens, ours(wan.packets()[before:]))), DEADLINE)
            assert seen, name
            site.machine.cut()
        site.boot()
        carries(site, stream)
        stream.stop()
    hold(watch, stream)
    site.machine.wait_up()
    assert site.preview().plan.empty, "nothing has to be mended"


@pytest.mark.parametrize("number", range(BOOTS // 5))
def test_a_power_cut_in_the_middle_of_an_apply_leaks_nothing(site: Site, number: int) -> None:
    """The table and the tunnel change; what is on the disk is of before or of after, and guards either."""
    phase = PHASES[number % len(PHASES)]
    mss, encryption = ((1280, "aes-128"), (1300, "aes-256"))[number % 2]
    routers = {name: replace(router, mss=mss) for name, router in site.fabric.routers.items()}
    wanted = change_tunnels(replace(site.fabric, routers=routers), esp__encryption=encryption)

    def cut(outcome: Outcome) -> None:
        if outcome.step.phase is phase and outcome.step.router == "paris":
            site.machine.cut()

    stream = Stream(site.lab, site.flow, rate=50, limit=2 * DEADLINE)
    with Watch(site.lab) as watch:
        stream.start()
        apply_plan(site.preview(wanted).plan, site.fleet, timeout=5, progress=cut)
        assert site.machine.process is None, "the power was cut"
        site.boot()
        site.machine.wait_up()
        site.apply(wanted)
        carries(site, stream)
        stream.stop()
    hold(watch, stream)
    site.fabric = wanted


@pytest.mark.skipif(BOOTS < 2, reason="BOOTS is 1: the control is a part of `make boots`")
def test_without_the_guards_of_the_boot_there_is_a_leak(site: Site) -> None:
    """The control: the same boot without the units that load them."""
    site.machine.run("rm /etc/systemd/system/*.d/tunnelwright.conf; sync")
    stream = Stream(site.lab, site.flow, rate=50, limit=2 * DEADLINE)
    with Watch(site.lab) as watch:
        stream.start()
        site.machine.cut()
        site.boot()
        [wan] = watch.wan.values()
        token = stream.tokens[0]
        assert until(lambda: any(token in packet.frame for packet in wan.packets()), DEADLINE)
        stream.stop()
    watch.discard()
    site.machine.wait_up()
    site.apply()


def ours(packets: list[Packet]) -> list[Packet]:
    """Those that the machine's card on the WAN has sent: qemu's own Ethernet addresses begin so."""
    return [packet for packet in packets if packet.source_mac.startswith(bytes.fromhex("525400"))]
