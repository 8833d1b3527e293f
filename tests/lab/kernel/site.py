"""The routers of the virtual machine as a site of the contract, and what its kernel counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lab.engine import until
from reconciler.model.fabric import Fabric, SshAccess
from reconciler.model.router_config import InterfaceAddress, Pair
from reconciler.routers.links import Links
from reconciler.routers.ssh_router import SshRouter
from tests.contract.sites import Site
from tests.fabrics import two_routers
from tests.lab.kernel.machine import Machine

REACH_DEADLINE = 300.0
ROUTERS = ("paris", "tokyo")
HOSTS: Pair = ("10.1.0.10", "10.2.0.10")


def kernel_site(there: Machine, links: Links, folder: Path) -> Site:
    """Two bare routers with the kernel's data plane, reached by SSH."""

    def restart_charon(name: str) -> None:
        there.run("pkill -x charon-systemd; rm -f /run/charon/ready", name)
        there.run("until test -e /run/charon/ready; do sleep 0.1; done", name)

    def delete_address(name: str, address: InterfaceAddress) -> None:
        there.run(f"ip address delete {address.cidr} dev {address.interface}", name)

    return Site(
        "kernel",
        by_ssh(two_routers(), there),
        lambda fabric, name: SshRouter(name, _access(fabric, name), links),
        restart_charon,
        delete_address,
        folder,
    )


def reach(site: Site) -> None:
    """Log in at both routers, whose links are kept then: an emulated processor takes seconds for a login, on
    a busy machine longer than one may take."""
    assert until(lambda: not site.preview().plan.unreachable, REACH_DEADLINE)


def by_ssh(fabric: Fabric, there: Machine) -> Fabric:
    """A fabric whose routers are those of the machine."""
    found = {
        name: replace(
            router,
            access=SshAccess(
                "127.0.0.1",
                there.ports[name],
                "root",
                str(there.identity),
                there.host_key,
                "/run/charon/charon.vici",
            ),
        )
        for name, router in fabric.routers.items()
    }
    return replace(fabric, routers=found)


def _access(fabric: Fabric, name: str) -> SshAccess:
    access = fabric.routers[name].access
    assert isinstance(access, SshAccess)
    return access


def counted(there: Machine) -> dict[str, Counter[str]]:
    """What the kernel of each router has counted of packets that it did not accept or could not send."""
    found = {}
    for name in ROUTERS:
        lines = there.run("cat /proc/net/xfrm_stat", name).splitlines()
        found[name] = Counter({key: int(number) for key, number in map(str.split, lines)})
    return found


@dataclass(slots=True)
class Pings:
    """Round trips of a steady stream, filled when it ends."""

    sent: int = 0
    received: int = 0

    @property
    def lost(self) -> int:
        """Round trips of which a packet was lost."""
        return self.sent - self.received


@contextmanager
def pinging(there: Machine, rate: int, flows: Sequence[Pair] = (HOSTS,)) -> Iterator[Pings]:
    """Send so many echo requests a second from paris' host to that of tokyo, between each pair of addresses;
    as many replies come back."""
    found = Pings()
    ping = "ip netns exec host-paris ping -n -q"
    for number, (source, destination) in enumerate(flows):
        stream = f"-i {1 / rate} -I {source} {destination} > /run/flood{number}"
        there.run(f"({ping} {stream} 2>&1 & echo $! > /run/flood{number}.pid)")
        there.run(f"until {ping} -c 1 -W 1 -I {source} {destination}; do :; done")
    try:
        yield found
    finally:
        there.run("kill -INT $(cat /run/flood*.pid)")
        for number in range(len(flows)):
            file = f"/run/flood{number}"
            said = there.run(f"until grep -q 'packet loss' {file}; do sleep 0.05; done; cat {file}")
            words = said.split("---\n")[-1].split()
            found.sent += int(words[0])
            found.received += int(words[3])
        there.run("rm /run/flood*")
