"""Two routers, one of them a machine that can lose its power, and what a capture of the WAN must hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lab.capture import Watch
from lab.packets import Packet
from lab.proof import capture_whole, no_cleartext
from lab.session import Lab
from lab.topology import flows_of
from lab.traffic import Stream
from reconciler.model.fabric import Fabric
from reconciler.operations.apply import apply
from reconciler.operations.preview import Preview, preview
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.links import Links
from reconciler.routers.protocol import Router
from reconciler.routers.ssh_router import SshRouter
from reconciler.secrets import SecretStore
from tests.contract.sites import PSK, PSK_VARIABLE
from tests.converged import assert_converged
from tests.lab.boots.machine import DEADLINE, Machine

CIDRS = ("10.1.0.0/24", "10.2.0.0/24")


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

    def stream(self) -> Stream:
        """Packets in both directions."""
        return Stream(self.lab, self.flow, rate=50, limit=2 * DEADLINE)

    def carries(self, stream: Stream) -> None:
        """Wait until packets arrive in both directions."""
        stream.reset()
        assert stream.wait_arriving(DEADLINE), self.machine.said()


def hold(watch: Watch, stream: Stream) -> None:
    """Nothing of the pair was in the clear, and the capture saw all."""
    [wan] = watch.wan.values()
    for check in (
        no_cleartext(wan.packets(), CIDRS, stream.tokens),
        capture_whole(watch.dropped, len(watch.captures)),
    ):
        assert check.passed, check.evidence
    watch.discard()


def ours(packets: list[Packet]) -> list[Packet]:
    """Those that the machine's card on the WAN has sent: qemu's own Ethernet addresses begin so."""
    return [packet for packet in packets if packet.source_mac.startswith(bytes.fromhex("525400"))]
