"""`python -m tests.lab.kernel.switches` (`make switches`): what changes cost on the kernel's data plane.

For each field and both versions of IKE the field is changed there and back, again and again, by `apply` on
the routers of the virtual machine, while a stream of echo requests goes through the tunnel. Each router's
kernel counts the packets that arrive by an SA that is not installed yet (XfrmAcquireError) or not any more
(XfrmInNoStates), and all else that it refuses: the loss by that count is exact, whatever the load of the
machine does to the stream.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.engine import find_engine
from lab.image import ensure_image
from reconciler.model.fabric import Fabric, IdType, IkeId
from reconciler.routers.links import Links
from tests.contract.sites import PSK, Site, change_tunnels, rename_tunnels
from tests.converged import assert_converged
from tests.lab.kernel.machine import Machine, machine
from tests.lab.kernel.site import counted, kernel_site, pinging, reach

Change = Callable[[Fabric], Fabric]


def fields(**values: object) -> Change:
    """Other values for fields of both ends."""
    return lambda fabric: change_tunnels(fabric, **values)


def identities(fabric: Fabric) -> Fabric:
    """Names in place of addresses."""
    tunnels = {
        name: replace(
            tunnel,
            local_id=IkeId(IdType.FQDN, f"{tunnel.router}.example"),
            peer_id=IkeId(IdType.FQDN, f"{fabric.tunnels[tunnel.other_end or ''].router}.example"),
        )
        for name, tunnel in fabric.tunnels.items()
    }
    return replace(fabric, tunnels=tunnels)


def one_network_more(fabric: Fabric) -> Fabric:
    """Another network behind tokyo."""
    more = "10.22.0.0/24"
    tunnels = {
        name: replace(
            tunnel,
            local_cidrs=(*tunnel.local_cidrs, *([more] if tunnel.router == "tokyo" else [])),
            peer_cidrs=(*tunnel.peer_cidrs, *([more] if tunnel.router == "paris" else [])),
        )
        for name, tunnel in fabric.tunnels.items()
    }
    return replace(fabric, tunnels=tunnels)


def same(fabric: Fabric) -> Fabric:
    """The fabric itself."""
    return fabric


def other_version(fabric: Fabric) -> Fabric:
    """IKEv1 for IKEv2, and the reverse."""
    return change_tunnels(fabric, ike__version=3 - next(iter(fabric.tunnels.values())).ike.version)


def renamed(fabric: Fabric) -> Fabric:
    """Other names for both ends, which know the ones before."""
    return rename_tunnels(fabric, {"paris-tokyo": "p-to-t", "tokyo-paris": "t-to-p"})


def named_back(fabric: Fabric) -> Fabric:
    """The names that they had before."""
    return rename_tunnels(renamed(fabric), {"p-to-t": "paris-tokyo", "t-to-p": "tokyo-paris"})


@dataclass(frozen=True)
class Case:
    """A field that is changed there and back."""

    label: str
    there: Change
    back: Change = same
    key: str = ""
    """Another key, for a change of the key."""


CASES = (
    Case("ESP encryption", fields(esp__encryption="aes-128")),
    Case("ESP integrity", fields(esp__integrity="sha512")),
    Case("PFS group", fields(esp__pfs_group=19)),
    Case("no PFS", fields(esp__pfs_group=None)),
    Case("ESP lifetime", fields(esp__lifetime=1800)),
    Case("IKE encryption", fields(ike__encryption="aes-128")),
    Case("IKE integrity", fields(ike__integrity="sha512")),
    Case("IKE DH group", fields(ike__dh_group=19)),
    Case("IKE lifetime", fields(ike__lifetime=7200)),
    Case("DPD delay", fields(ike__dpd_delay=45)),
    Case("DPD action", fields(ike__dpd_action="trap")),
    Case("pre-shared key", same, key="another key for both ends 7Qx"),
    Case("identities", identities),
    Case("one CIDR more, one less", one_network_more),
    Case("name", renamed, named_back),
    Case("IKE version", other_version),
)


@dataclass(slots=True)
class Cost:
    """What the switches of one field cost."""

    label: str
    version: int
    switches: int = 0
    sent: int = 0
    lost: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def row(self) -> str:
        """Its line of the table."""
        others = sum(self.dropped.values()) - self.dropped["XfrmAcquireError"]
        return (
            f"| {self.label} | {self.version} | {self.switches} | {self.lost} of {self.sent} "
            f"| {self.dropped['XfrmAcquireError']} | {others} |"
        )


HEADER = (
    "| field | IKE | switches | round trips lost | `XfrmAcquireError` | other errors |\n"
    "|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Run:
    """How often each field is changed, and how many packets a second go each way."""

    times: int
    rate: int


def measure(there: Machine, site: Site, case: Case, version: int, how: Run) -> Cost:
    """Change a field, and count."""
    base = change_tunnels(site.fabric, ike__version=version)
    variants = ((case.there(base), case.key or PSK), (case.back(base), PSK))
    assert_converged(site.apply(*variants[1], timeout=60))
    cost = Cost(case.label, version)
    with pinging(there, how.rate) as pings:
        for number in range(how.times):
            before = counted(there)
            applied = site.apply(*variants[number % 2], timeout=60)
            assert_converged(applied)
            after = counted(there)
            cost.switches += 1
            for router, counts in after.items():
                cost.dropped += counts - before[router]
    cost.sent, cost.lost = pings.sent, pings.lost
    return cost


def main() -> int:
    """Measure every field, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100, help="switches of each field (default: 100)")
    parser.add_argument("--rate", type=int, default=1000, help="packets a second each way (default: 1000)")
    parser.add_argument("--only", action="append", default=[], help="a field of the table; may be repeated")
    arguments = parser.parse_args()
    engine = find_engine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "machine").mkdir()
        with machine(engine, ensure_image(engine), folder / "machine") as there:
            return run(there, folder, Run(arguments.times, arguments.rate), arguments.only)


def run(there: Machine, folder: Path, how: Run, only: Collection[str] = ()) -> int:
    """Measure on a machine that runs; 1 if any packet was lost."""
    dropped = 0
    sys.stdout.write(f"{HEADER}\n")
    with Links() as links:
        site = kernel_site(there, links, folder)
        reach(site)
        for version in (2, 1):
            for case in CASES:
                if not only or case.label in only:
                    cost = measure(there, site, case, version, how)
                    dropped += cost.dropped.total()
                    sys.stdout.write(f"{cost.row()}\n")
                    sys.stdout.flush()
    return int(dropped > 0)


if __name__ == "__main__":
    sys.exit(main())
