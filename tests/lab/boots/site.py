"""Two routers, one of them a machine that can lose its power, and what passes between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lab.capture import Watch
from lab.engine import Engine, until
from lab.packets import Packet
from lab.proof import capture_whole, no_cleartext
from lab.session import Lab
from lab.topology import flows_of
from lab.traffic import Stream
from reconciler.apply.locking import locked
from reconciler.model.errors import RouterUnreachable
from reconciler.model.fabric import Fabric
from reconciler.model.plan import ResourceChange
from reconciler.operations.apply import Applied, apply
from reconciler.operations.observed_plan import ObservedPlan, observed_plan
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.links import Links
from reconciler.routers.protocol import Router, Task
from reconciler.routers.ssh_router import SshRouter
from reconciler.secrets import SecretStore
from tests.contract.sites import PSK, PSK_VARIABLE
from tests.converged import assert_converged
from tests.fabrics import two_routers
from tests.lab.boots.machine import DEADLINE, Machine, build

CIDRS = ("10.1.0.0/24", "10.2.0.0/24")
RATE = 50
"""Packets a second, in each direction."""
QEMU = bytes.fromhex("525400")
"""How the Ethernet addresses of qemu's cards begin."""


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

    def preview(self, fabric: Fabric | None = None) -> ObservedPlan:
        """What there is to do. A login takes an emulated processor longer, on a busy machine, than it may."""
        found = observed_plan(fabric or self.fabric, self.keys, self.fleet)

        def reached() -> bool:
            nonlocal found
            if found.plan.unreachable:
                found = observed_plan(fabric or self.fabric, self.keys, self.fleet)
            return not found.plan.unreachable

        assert until(reached, DEADLINE), found.plan.unreachable
        return found

    def at_machine(self, task: Task[None]) -> None:
        """Do something at the machine once it is reached, which may take longer as well."""
        outcome: object = None

        def reached() -> bool:
            nonlocal outcome
            outcome = self.fleet.each(["paris"], task)["paris"]
            return not isinstance(outcome, RouterUnreachable)

        assert until(reached, DEADLINE), outcome
        assert outcome is None, outcome

    def left(self) -> list[ResourceChange]:
        """What an apply would do."""
        return list(self.preview().plan.changes)

    def apply(self, fabric: Fabric | None = None) -> None:
        """Make the routers as desired."""
        assert_converged(self.begin(fabric))

    def begin(self, fabric: Fabric | None = None) -> Applied:
        """An apply under the routers' locks, as a command does it, whatever it leaves to a later one."""
        before = self.preview(fabric)
        with locked(self.fleet, before.desired, DEADLINE) as failures:
            assert not failures
            return apply(before, self.fleet, timeout=60)

    def boot(self) -> None:
        """Switch the machine on, after its power was cut."""
        self.links.clear()
        self.machine.boot()


@contextmanager
def booted(engine: Engine, image: str, folder: Path) -> Iterator[Site]:
    """The site with its tunnel applied, on a machine that has booted once."""
    fabric = two_routers()
    with Lab.up(fabric, f"boots{os.getpid():x}", engine=engine, image=image) as lab, Links() as links:
        machine = build(lab, image, "paris", folder)
        machine.plug_in()
        made = Site(lab, fabric, machine, links, folder)
        try:
            made.boot()
            machine.wait_up()
            made.apply()
            yield made
        finally:
            machine.cut()


class Traffic:
    """Packets in both directions of the tunnel, and a capture of all that passes the WAN."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.watch = Watch(site.lab)
        self.stream = Stream(site.lab, site.flow, rate=RATE, limit=4 * DEADLINE)

    def __enter__(self) -> Traffic:
        self.watch.start()
        self.stream.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.stop()
        self.watch.stop()
        self.watch.discard()

    def wan(self) -> list[Packet]:
        """All frames of the public network so far."""
        [capture] = self.watch.wan.values()
        return capture.packets()

    def sent(self) -> int:
        """How many packets for the tunnel the machine's hosts have sent so far."""
        frames = self.watch.hosts[self.site.flow.left_host].packets()
        return sum(self.stream.tokens[0] in packet.frame for packet in frames)

    def clear(self) -> int:
        """How many packets for the tunnel could be read on the public network so far."""
        return sum(any(token in packet.frame for token in self.stream.tokens) for packet in self.wan())

    def carries(self) -> None:
        """Wait until packets arrive in both directions."""
        self.stream.reset()
        # Captures of minutes are read each time: once a second, since a machine boots beside it.
        arriving = until(lambda: self.stream.wait_arriving(0), DEADLINE, poll=1)
        assert arriving, self.site.machine.said()

    def hold(self) -> None:
        """Nothing of the pair was in the clear, and the capture saw all."""
        self.watch.stop()
        for check in (
            no_cleartext(self.wan(), CIDRS, self.stream.tokens),
            capture_whole(self.watch.dropped, len(self.watch.captures)),
        ):
            assert check.passed, check.evidence


def ours(packets: list[Packet]) -> list[Packet]:
    """Those that the machine has sent."""
    return [packet for packet in packets if packet.source_mac.startswith(QEMU)]
