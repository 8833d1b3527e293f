"""Eight sites with routers in memory, their repository, and the service whose page is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.model.condition import Carriage, State
from reconciler.model.record import RunRecord
from reconciler.model.router_config import InterfaceAddress
from reconciler.page.access import Access
from reconciler.page.documents import CloneReader
from reconciler.page.server import PageServer
from reconciler.page.service_source import ServiceSource
from reconciler.service.loop import Service
from reconciler.service.watch import Watch
from tests.memory import MemoryRouter
from tests.repositories import new_repository
from tests.unit.service.followed import Followed

SITES = ("berlin", "lisbon", "madrid", "milan", "oslo", "paris", "vienna", "zurich")
PAIRS = (
    *(("berlin", there) for there in ("lisbon", "milan", "oslo", "paris", "vienna", "zurich")),
    ("lisbon", "madrid"),
    ("madrid", "paris"),
    ("milan", "zurich"),
)
_WAN = """\
apiVersion: tunnelwright/v1
kind: PublicNetwork
metadata: {name: internet}
spec:
  cidr: 203.0.113.0/24
  normalRanges:
    - {name: normal, first: 203.0.113.10, last: 203.0.113.199}
---
apiVersion: tunnelwright/v1
kind: FabricDefaults
metadata: {name: defaults}
spec:
  ike: {dhGroup: 14}
  ipsec: {pfs: dh-group14}
---
apiVersion: tunnelwright/v1
kind: SafetyPolicy
metadata: {name: fleet}
spec:
  budget: {maxInterrupted: 5}
  windows: [{kind: allow, schedule: 0 2 * * *, duration: 3600, timezone: Europe/Berlin}]
"""
_SITE = """\
apiVersion: tunnelwright/v1
kind: VpcNetwork
metadata: {{name: {name}-net}}
spec: {{cidr: 10.{number}.0.0/24}}
---
apiVersion: tunnelwright/v1
kind: VpcRouter
metadata: {{name: {name}, labels: {{site: {name}}}}}
spec:
  publicNetworks:
    - {{network: internet, interface: eth0, address: 203.0.113.{number}}}
  vpcNetworks:
    - {{network: {name}-net, interface: eth1, address: 10.{number}.0.1}}
"""
_CONNECTION = """\
apiVersion: tunnelwright/v1
kind: IPsecConnection
metadata: {{name: {here}-{there}}}
spec:
  ends:
    - router: {here}
      vip: {{create: {{publicNetwork: internet, address: 203.0.113.{first}}}}}
    - router: {there}
      vip: {{create: {{publicNetwork: internet, address: 203.0.113.{second}}}}}
  authentication: {{mode: psk, key: {{env: KEY}}}}
"""


def eight_sites(folder: Path) -> Followed:
    """The sites; nothing is applied yet."""
    found = Followed(folder, new_repository(folder / "remote"))
    files: dict[str, str | None] = {"wan.yaml": _WAN}
    for number, name in enumerate(SITES, start=1):
        own = [
            InterfaceAddress("eth0", f"203.0.113.{number}/24"),
            InterfaceAddress("eth1", f"10.{number}.0.1/24"),
        ]
        found.routers[name] = MemoryRouter(name, found.network, own)
        files[f"{name}.yaml"] = _SITE.format(name=name, number=number)
    for number, (here, there) in enumerate(PAIRS):
        text = _CONNECTION.format(here=here, there=there, first=20 + 2 * number, second=21 + 2 * number)
        files[f"{here}-{there}.yaml"] = text
    found.commit(files)
    return found


class Prober:
    """What probes would have shown."""

    def __init__(self) -> None:
        self.carriages: dict[str, Carriage] = {}

    def known(self) -> list[Carriage]:
        """Of each connection."""
        return [*self.carriages.values()]

    def shows(self, seen: ServiceSource, name: str, state: State, **fields: object) -> None:
        """Let probes have shown this of a connection."""
        shown = seen.snapshot()
        assert shown is not None
        one = shown.by_name[shown.fabric.tunnel_of(name)]
        tunnel = one.ends[0].tunnel
        known = Carriage(
            one.name,
            tunnel.router,
            tunnel.name,
            state,
            "",
            shown.at,
            shown.at,
            interval=1e6,
            target="10.2.0.1",
        )
        self.carriages[one.name] = replace(known, **fields)  # type: ignore[arg-type]
        seen.changes.changed()


@dataclass(slots=True)
class Paged:
    """The sites with a service that has a page."""

    site: Followed
    service: Service
    source: ServiceSource
    watch: Watch
    prober: Prober
    server: PageServer

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://127.0.0.1:{self.server.port}"

    def run(self) -> RunRecord:
        """One run of the service."""
        record = self.service.once("interval")
        self.source.ended(record)
        return record


@contextmanager
def paged(folder: Path, access: Access | None = None, site: Followed | None = None) -> Iterator[Paged]:
    """The sites after a first run, with their page."""
    site = eight_sites(folder) if site is None else site
    service = site.service()
    history = service.dependencies.history
    source = ServiceSource(history, CloneReader(folder / "state" / "repository.git", "desired_state"))
    watch = Watch(history, source.happened, lambda _: None)
    source.watch = watch
    prober = Prober()
    source.prober = prober
    service.dependencies = replace(
        service.dependencies, saw=source.saw, followed=lambda fabric: watch.follow(fabric, site.fleet)
    )
    server = PageServer(source, access or Access(), "127.0.0.1", 0)
    found = Paged(site, service, source, watch, prober, server)
    try:
        found.run()
        yield found
    finally:
        server.close()
        watch.close()
