"""Import connections that were configured by hand: read the routers or their files, draw up documents for
those that the desired state lacks, and edit those that differ. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.importing import Draft, document_name, draft, from_root
from reconciler.importing.leftovers import report_unused_keys
from reconciler.importing.separation import report_staying
from reconciler.importing.update import differences
from reconciler.load import Loaded
from reconciler.model.diagnostic import Diagnostic, Diagnostics, Location
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import DesiredRouter, Fabric, PskRef, Tunnel
from reconciler.model.listing import listed
from reconciler.model.router_config import PREFIX
from reconciler.model.suggestion import check_known, known
from reconciler.observe.configurations import Gathered, gather_files, gather_router, local_files
from reconciler.observe.state import within_one_observation
from reconciler.operations.imported_documents import NewEnd, Target, settle
from reconciler.operations.imported_edits import (
    Described,
    EditedDocument,
    Skipped,
    edited_documents,
    edited_files,
)
from reconciler.routers.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be imported into a desired state."""

    tree: Path
    fabric: Fabric
    loaded: Loaded
    routers: Sequence[DesiredRouter]
    folder: Path
    """Where new documents go, one file for each router."""
    files: Sequence[str] = ()
    """Local files to read in place of the only router's."""
    connections: Sequence[str] = ()
    """Those that are wanted; empty for all."""
    update: bool = False
    """Whether documents whose connection has changed are edited too."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one router holds, and what there is to say of it."""

    router: DesiredRouter
    gathered: Gathered
    found: Diagnostics = field(default_factory=Diagnostics)
    live: bool = True
    """Whether its files are those of the router; else they are on this machine."""

    def findings(self) -> Iterator[Diagnostic]:
        """The findings, with the router before each place on it: many routers have a file of one name."""
        for item in self.found:
            yield replace(
                item, location=self.place(item.location), related=tuple(map(self.place, item.related))
            )

    def place(self, location: Location) -> Location:
        """A place in its files as a reader finds it."""
        return replace(location, file=f"{self.router.name}: {location.file}") if self.live else location

    def placed(self, item: Draft) -> Draft:
        """A draft with its places as a reader finds them."""
        places = {field: self.place(place) for field, place in item.places.items()}
        return replace(item, location=self.place(item.location), places=places)


@dataclass(frozen=True, slots=True)
class _Drafts:
    """What becomes of the connections of one router."""

    fresh: list[Draft]
    """Those that no document describes."""
    described: list[Described]
    """To update: those that a document describes."""
    skipped: list[Skipped]


@dataclass(frozen=True, slots=True)
class ImportedEnd:
    """One tunnel end that becomes a document."""

    name: str
    file: Path
    router: str
    draft: Draft
    key: PskRef


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import comes to, before anything is written."""

    ends: tuple[ImportedEnd, ...]
    texts: Mapping[Path, str]
    """New file -> what it holds."""
    edited: tuple[EditedDocument, ...]
    changed: Mapping[str, str]
    """File, as loading names it -> its text with the edits."""
    skipped: tuple[Skipped, ...]
    found: Diagnostics
    """What was found on the routers, each at its place there."""
    findings: list[Diagnostic]
    """What is found in the tree with the new and the changed documents: every error, and their warnings."""
    valid: bool
    """Whether the tree is valid with them. Only edits can make it invalid."""


def import_connections(request: Request, fleet: Fleet) -> Imported:
    """Read the routers side by side, and draw up what becomes of their connections. A router that cannot be
    read is a finding, and costs itself alone; so is a connection that cannot be a valid document.

    Raises the error of the first router when none can be read, and TunnelwrightError for a connection that no
    router has, and for a file to be edited whose formatting would not survive.
    """
    found = Diagnostics()
    readings = _read_routers(request, fleet, found)
    _check_connections(request.connections, readings)
    fabric = request.fabric
    described: list[Described] = []
    fresh: dict[str, NewEnd] = {}
    skipped: list[Skipped] = []
    for reading in readings:
        drawn = _drafts(request, reading)
        skipped += drawn.skipped
        described += drawn.described
        for item in drawn.fresh:
            name = document_name(item.connection, {*fabric.tunnels, *fabric.vips, *fresh})
            fresh[name] = NewEnd(reading.router, reading.placed(item))
        found.extend(reading.findings())
    documents, left = edited_documents(described, request.loaded)
    changed = edited_files(request.tree, documents)
    target = Target(request.tree, request.folder, request.loaded, fabric, changed)
    settled = settle(target, fresh, found)
    ends = (
        ImportedEnd(name, file, fresh[name].router.name, fresh[name].draft, settled.keys[name])
        for name, file in settled.files.items()
    )
    for reading in readings:
        _report_staying(reading, fabric, [fresh[name] for name in settled.files], found)
    return Imported(
        tuple(ends),
        settled.texts,
        documents,
        changed,
        (*skipped, *left),
        found,
        settled.findings,
        settled.valid,
    )


def _report_staying(reading: Reading, fabric: Fabric, ends: Iterable[NewEnd], found: Diagnostics) -> None:
    """Warn of files on a router that stay although their connections are imported."""
    name, gathered = reading.router.name, reading.gathered
    new = {end.draft.connection for end in ends if end.router.name == name}
    fresh = {connection for connection in new if not connection.startswith(PREFIX)}
    adopted = {*fresh, *(tunnel.adopts for tunnel in fabric.tunnels_of(name))}
    own = Diagnostics()
    report_staying(gathered.configurations, fresh, adopted, gathered.loaded, own)
    found.extend(replace(item, location=reading.place(item.location)) for item in own)


def _read_routers(request: Request, fleet: Fleet, found: Diagnostics) -> list[Reading]:
    """Side by side. Raises the error of the first when none can be read."""
    routers = request.routers
    if request.files:
        own = Diagnostics()
        gathered = gather_files(request.files, local_files, own)
        for configuration in gathered.configurations:
            if not any(from_root(configuration.root)) and not own.errors:
                own.error("import-refused", Location(configuration.main), "the file has no connection")
        return [Reading(routers[0], gathered, own, live=False)]
    answers = within_one_observation(fleet).each((router.name for router in routers), gather_router)
    readings = []
    failed: list[TunnelwrightError] = []
    for router in routers:
        answer = answers[router.name]
        if isinstance(answer, TunnelwrightError):
            failed.append(answer)
            what = f"{answer.operation}: {answer.message}" if answer.operation else answer.message
            found.error("import-refused", Location(router.name), what, hint=answer.hint)
        else:
            readings.append(Reading(router, *answer))
    if failed and not readings:
        raise failed[0]
    return readings


def _check_connections(wanted: Iterable[str], readings: Iterable[Reading]) -> None:
    """Raises TunnelwrightError for a connection that no router has."""
    there = {reading.router.name: [s.name for s in reading.gathered.sources] for reading in readings}
    by_router = [f"{router}: {known(names) or 'none'}" for router, names in there.items()]
    names = {name for names in there.values() for name in names}
    check_known(wanted, names, "connection", f"there are: {listed(by_router, between='; ')}")


def _drafts(request: Request, reading: Reading) -> _Drafts:
    """What is wanted and not in the desired state yet; to update, what is, with its tunnel; and the rest."""
    gathered, found = reading.gathered, reading.found
    tunnels: dict[str, Tunnel] = {}
    speaking: set[str] = set()
    there = {source.name for source in gathered.sources}
    for tunnel in request.fabric.tunnels_of(reading.router.name):
        tunnels |= dict.fromkeys(tunnel.connections, tunnel)
        # What it was taken over from may still be in a file, and says nothing of it any more.
        speaking |= {*[name for name in tunnel.connections if name in there][:1]}
    named = [s for s in gathered.sources if not request.connections or s.name in request.connections]
    wanted = [s for s in named if s.name not in tunnels or (request.update and s.name in speaking)]
    understood = [
        item for source in wanted if (item := draft(source, gathered.keys, gathered.sas, found)) is not None
    ]
    if gathered.sources:
        report_unused_keys(gathered.sources, gathered.keys, found)
    described = {
        item.connection: Described(of, reading.placed(item), list(differences(item, of, reading.router)))
        for item in understood
        if (of := tunnels.get(item.connection)) is not None
    }
    skipped = []
    for source in named:
        if source.name not in tunnels:
            continue
        tunnel = tunnels[source.name]
        by = f"{tunnel.name} in {request.tree / tunnel.location.file}"
        if source.name not in speaking:
            reason = f"{by} has taken over from it"
        elif not request.update:
            reason = f"described already by {by} (--update changes that where they differ)"
        elif source.name in described and not described[source.name].edits:
            reason = f"{by} says the same"
        else:
            continue
        place = reading.place(source.section.location)
        skipped.append(Skipped(reading.router.name, source.name, place, reason))
    fresh = [item for item in understood if item.connection not in tunnels]
    return _Drafts(fresh, [*described.values()], skipped)
