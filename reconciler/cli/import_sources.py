"""What `import` reads: each router by itself, and what of it is no tunnel of the desired state yet."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from reconciler.cli import access
from reconciler.importing import Draft, draft
from reconciler.importing.separation import report_staying
from reconciler.model.diagnostic import Diagnostic, Diagnostics, Location
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric, Router, Tunnel
from reconciler.model.router_config import PREFIX, connection_name
from reconciler.observe.configurations import Gathered, gather_files, gather_router, local_files
from reconciler.observe.state import within_one_look
from reconciler.routers.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Reading:
    """What one router holds, and what there is to say of it."""

    router: Router
    gathered: Gathered
    found: Diagnostics = field(default_factory=Diagnostics)
    live: bool = True
    """Whether its files are those of the router; else they are on this machine."""

    def told(self) -> Iterator[Diagnostic]:
        """The findings, with the router before each place on it: many routers have a file of one name."""
        for item in self.found:
            yield self._on_router(item) if self.live else item

    def _on_router(self, item: Diagnostic) -> Diagnostic:
        def place(location: Location) -> Location:
            return replace(location, file=f"{self.router.name}: {location.file}")

        return replace(item, location=place(item.location), related=tuple(map(place, item.related)))


def read_routers(
    arguments: argparse.Namespace, routers: Sequence[Router], fabric: Fabric, found: Diagnostics
) -> list[Reading]:
    """Side by side. One that cannot be read is a finding, and costs itself alone.

    Raises the error of the first when none can be read.
    """
    if arguments.files:
        own = Diagnostics()
        return [Reading(routers[0], gather_files(arguments.files, local_files, own), own, live=False)]
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
    unknown = sorted(set(wanted) - {name for names in there.values() for name in names})
    if unknown:
        known = (f"{router}: {', '.join(names) or 'none'}" for router, names in there.items())
        raise TunnelwrightError(
            f"there is no connection {', '.join(unknown)}", hint=f"there are: {'; '.join(known)}"
        )


def drafts(
    arguments: argparse.Namespace, reading: Reading, fabric: Fabric
) -> tuple[list[Draft], list[tuple[Tunnel, Draft]]]:
    """What is wanted and not in the desired state yet; and, to update, what is, with its tunnel."""
    gathered, found = reading.gathered, reading.found
    tunnels: dict[str, Tunnel] = {}
    speaking: set[str] = set()
    there = {source.name for source in gathered.sources}
    for tunnel in fabric.tunnels_of(reading.router.name):
        names = (*map(connection_name, (tunnel.name, *tunnel.previous_names)), tunnel.adopts)
        tunnels |= dict.fromkeys(names, tunnel)
        # What it was taken over from may still be in a file, and says nothing of it any more.
        speaking |= {*[name for name in names if name in there][:1]}
    wanted = [
        source
        for source in gathered.sources
        if (source.name not in tunnels or (arguments.update and source.name in speaking))
        and (not arguments.connection or source.name in arguments.connection)
    ]
    understood = [
        item for source in wanted if (item := draft(source, gathered.keys, gathered.sas, found)) is not None
    ]
    fresh = {item.connection for item in understood if not item.connection.startswith(PREFIX)} - set(tunnels)
    adopted = {*fresh, *(tunnel.adopts for tunnel in tunnels.values())}
    report_staying(gathered.configurations, fresh, adopted, gathered.loaded, found)
    return (
        [item for item in understood if item.connection not in tunnels],
        [(tunnels[item.connection], item) for item in understood if item.connection in tunnels],
    )
