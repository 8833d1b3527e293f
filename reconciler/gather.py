"""A router that somebody else has configured -> its connections, as files or charon tell them. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.facets import sas
from reconciler.facets.swanctl_conf import Entry, SwanctlSyntaxError, inherit, read
from reconciler.importing import Source, from_reply, from_root
from reconciler.importing.sources import keys_of
from reconciler.importing.words import HeldKey
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.errors import SourceUnavailable
from reconciler.model.router_config import IkeSa
from reconciler.model.secret import Secret
from reconciler.routers.protocol import Router

MAIN_FILE = "/etc/swanctl/swanctl.conf"
ReadFiles = Callable[[str], Mapping[str, Secret]]
"""The files that a shell pattern names, by path, in order."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a router holds that could become desired state."""

    sources: tuple[Source, ...] = ()
    keys: tuple[HeldKey, ...] = ()
    sas: tuple[IkeSa, ...] = ()


def gather_router(router: Router, found: Diagnostics) -> Gathered:
    """The connections of a live router. Those in its files are known best; of what is loaded behind their
    back charon tells less.

    Raises RouterUnreachable or CommandRejected.
    """
    running = tuple(
        sas.decode(name, body)
        for event in router.vici.stream("list-sas", "list-sa", None)
        for name, body in event.items()
    )
    written = gather_files([MAIN_FILE], router.host.read_files, found)
    known = {source.name for source in written.sources}
    loaded = tuple(
        from_reply(router.name, name, body)
        for event in router.vici.stream("list-conns", "list-conn")
        for name, body in event.items()
        if name not in known
    )
    return Gathered((*written.sources, *loaded), written.keys, running)


def gather_files(paths: Iterable[str], read_files: ReadFiles, found: Diagnostics) -> Gathered:
    """The connections of swanctl.conf files with all that they include; findings are `import-refused`.

    Raises what `read_files` raises, and SourceUnavailable for a file that is not there.
    """

    def include(pattern: str) -> Iterable[tuple[str, bytes]]:
        return [(name, content.reveal()) for name, content in read_files(pattern).items()]

    sources: list[Source] = []
    keys: list[HeldKey] = []
    for path in paths:
        content = read_files(path).get(path)
        if content is None:
            raise SourceUnavailable(f"there is no file {path}")
        try:
            root, useless = inherit(read(path, content.reveal(), include))
        except SwanctlSyntaxError as error:
            found.error(
                "import-refused", error.location, error.message, hint="charon does not load it either"
            )
            continue
        _report_useless(useless, found)
        sources += from_root(root)
        keys += keys_of(root, found)
    return Gathered(tuple(sources), tuple(keys))


def _report_useless(useless: Iterable[Entry], found: Diagnostics) -> None:
    for entry in useless:
        found.warning("import-dropped", entry.location, f"there is no section {entry.text!r} to inherit from")


def local_files(pattern: str) -> dict[str, Secret]:
    """The files of this machine that a shell pattern names.

    Raises SourceUnavailable for one that cannot be read.
    """
    place = Path(pattern)
    parts = place.parts[1:] if place.is_absolute() else place.parts
    found = sorted(Path(place.anchor or ".").glob("/".join(parts)))
    try:
        return {str(path): Secret(path.read_bytes()) for path in found if path.is_file()}
    except OSError as error:
        raise SourceUnavailable(f"cannot read {error.filename}: {error.strerror}") from error
