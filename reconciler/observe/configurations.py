"""A router that was configured by hand -> its connections, as files or charon report them. Reads
only."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.facets import sas
from reconciler.facets.files.swanctl_conf import SwanctlSyntaxError
from reconciler.importing import Source, from_reply, from_root
from reconciler.importing.foreign_formats import foreign_format
from reconciler.importing.leftovers import report_leftovers
from reconciler.importing.notation import HeldKey
from reconciler.importing.separation import MAIN_FILE, Configuration, ReadFiles, collect
from reconciler.importing.sources import keys_of
from reconciler.load.bounded import read_bounded
from reconciler.model.bounds import SWANCTL_BYTES
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.router_config import IkeSa
from reconciler.model.secret import Secret
from reconciler.routers.protocol import Router, entries


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a router holds that could become desired state."""

    sources: tuple[Source, ...] = ()
    keys: tuple[HeldKey, ...] = ()
    sas: tuple[IkeSa, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    loaded: frozenset[str] = frozenset()
    """The connections that charon has."""


def gather_router(router: Router) -> tuple[Gathered, Diagnostics]:
    """The connections of a live router, with the findings of `gather_files`. Those in its files are known
    best; of what is loaded behind their back charon reports less.

    Raises RouterUnreachable, CommandRejected or AnswerNotUnderstood.
    """
    found = Diagnostics()
    running = tuple(sas.decode(name, body) for name, body in entries(router.vici, "list-sas", "list-sa"))
    written = gather_files([MAIN_FILE], router.host.read_files, found)
    known = {source.name for source in written.sources}
    listed = dict(entries(router.vici, "list-conns", "list-conn"))
    loaded = (from_reply(name, body) for name, body in listed.items() if name not in known)
    return replace(written, sources=(*written.sources, *loaded), sas=running, loaded=frozenset(listed)), found


def gather_files(paths: Iterable[str], read_files: ReadFiles, found: Diagnostics) -> Gathered:
    """The connections of swanctl.conf files with all that they include; findings are `import-refused`.

    Raises what `read_files` raises, and SourceUnavailable for a file that is not there.
    """
    whole: list[Configuration] = []
    for path in paths:
        try:
            whole.append(collect(path, read_files))
        except SwanctlSyntaxError as error:
            _refused(found, error, read_files)
    for configuration in whole:
        report_leftovers(configuration, found)
    return Gathered(
        tuple(source for configuration in whole for source in from_root(configuration.root)),
        tuple(key for configuration in whole for key in keys_of(configuration.root, found)),
        configurations=tuple(whole),
    )


def _refused(found: Diagnostics, error: SwanctlSyntaxError, read_files: ReadFiles) -> None:
    """Report a file that is not swanctl.conf, by the name of what it is where that is known."""
    place, message, hint = error.location, error.message, "charon does not load it"
    content = read_files(place.file).get(place.file)
    known = foreign_format(content) if content is not None else None
    if known is not None:
        place, message, hint = Location(place.file), f"this is {known.name}, not swanctl.conf", known.hint
    found.error("import-refused", place, message, hint=hint)


def local_files(pattern: str) -> dict[str, Secret]:
    """The files of this machine that a shell pattern names.

    Raises SourceUnavailable for one that cannot be read.
    """
    # As glob(3), which strongSwan asks: it has no pattern that is an error.
    found = sorted(map(Path, glob.glob(pattern))) if "\0" not in pattern else []  # noqa: PTH207
    files = [path for path in found if path.is_file()]
    return {str(path): Secret(read_bounded(path, SWANCTL_BYTES)) for path in files}
