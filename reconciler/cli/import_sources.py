"""What `import` reads: each router by itself, and what of it is no tunnel of the desired state yet."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from reconciler.cli import access
from reconciler.importing import Draft, draft, from_root
from reconciler.importing.separation import report_staying
from reconciler.importing.update import Edit, differences
from reconciler.model.diagnostic import Diagnostic, Diagnostics, Location
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import DesiredRouter, Fabric, Tunnel
from reconciler.model.listing import listed
from reconciler.model.router_config import PREFIX, connection_name
from reconciler.model.suggestion import check_known, known
from reconciler.observe.configurations import Gathered, gather_files, gather_router, local_files
from reconciler.observe.state import within_one_look
from reconciler.routers.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Reading:
    """What one router holds, and what there is to say of it."""

    router: DesiredRouter
    gathered: Gathered
    found: Diagnostics = field(default_factory=Diagnostics)
    live: bool = True
    """Whether its files are those of the router; else they are on this machine."""

    def told(self) -> Iterator[Diagnostic]:
        """The findings, with the router before each place on it: many routers have a file of one name."""
        for item in self.found:
            yield replace(
                item, location=self.place(item.location), related=tuple(map(self.place, item.related))
            )

    def place(self, location: Location) -> Location:
        """A place in its files as a reader finds it."""
        return replace(location, file=f"{self.router.name}: {location.file}") if self.live else location


@dataclass(frozen=True, slots=True)
class Skipped:
    """A connection that is left as it is, and why."""

    router: str
    connection: str
    location: Location
    reason: str

    def __str__(self) -> str:
        return f"{self.location}: {self.connection}: skipped, {self.reason}"


@dataclass(frozen=True, slots=True)
class Drafts:
    """What becomes of the connections of one router."""

    fresh: list[Draft]
    """Those that no document describes."""
    edits: dict[str, list[Edit]]
    """Tunnel -> what is to be changed in its document."""
    skipped: list[Skipped]


def read_routers(
    arguments: argparse.Namespace, routers: Sequence[DesiredRouter], fabric: Fabric, found: Diagnostics
) -> list[Reading]:
    """Side by side. One that cannot be read is a finding, and costs itself alone.

    Raises the error of the first when none can be read.
    """
    if arguments.files:
        own = Diagnostics()
        gathered = gather_files(arguments.files, local_files, own)
        for configuration in gathered.configurations:
            if not any(from_root(configuration.root)):
                own.warning("import-dropped", Location(configuration.main), "the file has no connection")
        return [Reading(routers[0], gathered, own, live=False)]
    findings = {router.name: Diagnostics() for router in routers}
    fleet = Fleet(access.connector(fabric, arguments.lab, arguments.links))
    answers = within_one_look(fleet).each(findings, lambda live: gather_router(live, findings[live.name]))
    readings = []
    failed: list[TunnelwrightError] = []
    for router in routers:
        answer = answers[router.name]
        if isinstance(answer, TunnelwrightError):
            failed.append(answer)
            what = f"{answer.operation}: {answer.message}" if answer.operation else answer.message
            found.error("import-refused", Location(router.name), what, hint=answer.hint)
        else:
            readings.append(Reading(router, answer, findings[router.name]))
    if failed and not readings:
        raise failed[0]
    return readings


def check_connections(wanted: Iterable[str], readings: Iterable[Reading]) -> None:
    """Raises TunnelwrightError for a connection that no router has."""
    there = {reading.router.name: [s.name for s in reading.gathered.sources] for reading in readings}
    by_router = [f"{router}: {known(names) or 'none'}" for router, names in there.items()]
    names = {name for names in there.values() for name in names}
    check_known(wanted, names, "connection", f"there are: {listed(by_router, between='; ')}")


def drafts(arguments: argparse.Namespace, reading: Reading, fabric: Fabric) -> Drafts:
    """What is wanted and not in the desired state yet; to update, what is, with its tunnel; and the rest."""
    gathered, found = reading.gathered, reading.found
    tunnels: dict[str, Tunnel] = {}
    speaking: set[str] = set()
    there = {source.name for source in gathered.sources}
    for tunnel in fabric.tunnels_of(reading.router.name):
        names = (*map(connection_name, (tunnel.name, *tunnel.previous_names)), tunnel.adopts)
        tunnels |= dict.fromkeys(names, tunnel)
        # What it was taken over from may still be in a file, and says nothing of it any more.
        speaking |= {*[name for name in names if name in there][:1]}
    named = [s for s in gathered.sources if not arguments.connection or s.name in arguments.connection]
    wanted = [s for s in named if s.name not in tunnels or (arguments.update and s.name in speaking)]
    understood = [
        item for source in wanted if (item := draft(source, gathered.keys, gathered.sas, found)) is not None
    ]
    fresh = {item.connection for item in understood if not item.connection.startswith(PREFIX)} - set(tunnels)
    adopted = {*fresh, *(tunnel.adopts for tunnel in tunnels.values())}
    report_staying(gathered.configurations, fresh, adopted, gathered.loaded, found)
    edits = {
        tunnels[item.connection].name: list(differences(item, tunnels[item.connection], reading.router))
        for item in understood
        if item.connection in tunnels
    }
    skipped = []
    for source in named:
        if source.name not in tunnels:
            continue
        tunnel = tunnels[source.name]
        by = f"{tunnel.name} in {arguments.tree / tunnel.location.file}"
        if source.name not in speaking:
            reason = f"{by} has taken over from it"
        elif not arguments.update:
            reason = f"described already by {by} (--update changes that where they differ)"
        elif edits.get(tunnel.name) == []:
            reason = f"{by} says the same"
        else:
            continue
        place = reading.place(source.section.location)
        skipped.append(Skipped(reading.router.name, source.name, place, reason))
    return Drafts([item for item in understood if item.connection not in tunnels], edits, skipped)
