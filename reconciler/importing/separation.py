"""The file of a foreign connection: whether it can be set aside without losing anything else. Pure.

`swanctl --load-all`, which runs whenever charon starts, loads what is in a file. So a connection that was
taken over has to leave its file, and that is moved out of the way whole or not at all: nothing else that
charon loads may change with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from reconciler.facets.files.swanctl_conf import Entry, Section, SwanctlSyntaxError, inherit, read
from reconciler.importing.notation import HeldKey, NotImportable, identity, matching, split_list
from reconciler.importing.sources import from_root, keys_of
from reconciler.model import bounds
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.errors import SourceUnavailable
from reconciler.model.fabric import IkeId
from reconciler.model.router_config import PREFIX, ForeignFile
from reconciler.model.secret import Secret
from schemas.addresses import is_address

MAIN_FILE = "/etc/swanctl/swanctl.conf"
ReadFiles = Callable[[str], Mapping[str, Secret]]
"""The files that a shell pattern names, by path, in order."""
_NONE = Entry(None, Location(""))


@dataclass(frozen=True, slots=True)
class Configuration:
    """A swanctl.conf with all that it includes, everything inherited."""

    main: str
    content: Secret
    included: Mapping[str, Mapping[str, Secret]]
    """Pattern, as it is read -> the files that it names."""
    root: Section = field(repr=False)
    useless: tuple[Entry, ...]
    """References that lead nowhere."""
    bases: frozenset[str]
    """The sections at the root from which others inherit."""

    def without(self, path: str) -> Section:
        """What would be left, were a file not there. Raises SwanctlSyntaxError."""

        def include(pattern: str) -> Iterable[tuple[str, bytes]]:
            files = self.included.get(pattern, {})
            return [(name, content.reveal()) for name, content in files.items() if name != path]

        return inherit(read(self.main, self.content.reveal(), include))[0]


def collect(main: str, read_files: ReadFiles) -> Configuration:
    """Read a file with all that it includes.

    Raises SwanctlSyntaxError, what `read_files` raises, and SourceUnavailable for a file that is not there.
    """
    content = read_files(main).get(main)
    if content is None:
        raise SourceUnavailable(f"there is no file {main}")
    included: dict[str, Mapping[str, Secret]] = {}

    def include(pattern: str) -> Iterable[tuple[str, bytes]]:
        if pattern not in included:
            if len(included) == bounds.SWANCTL_PATTERNS:
                most = f"it includes more than {bounds.SWANCTL_PATTERNS} file patterns"
                raise SwanctlSyntaxError(Location(main), most)
            included[pattern] = read_files(pattern)
        return [(name, file.reveal()) for name, file in included[pattern].items()]

    written = read(main, content.reveal(), include)
    root, useless = inherit(written)
    return Configuration(main, content, included, root, useless, frozenset(_bases(written)))


def _bases(section: Section) -> Iterator[str]:
    for reference in section.references:
        yield (reference.text or "").partition(".")[0]
    for child in section.sections.values():
        yield from _bases(child)


class Inseparable(Exception):
    """Something else would go with the connection's file."""


def separate(
    found: Configuration,
    connection: str,
    adopted: Collection[str],
    loaded: Collection[str],
    settled: Collection[str] = (),
) -> ForeignFile | None:
    """The file of a connection, with the keys that are in no other; None when no file has the connection.

    `adopted` are all connections that tunnels adopt, `loaded` those that charon has. What those that
    are `settled` need is not regarded.

    Raises Inseparable, or SwanctlSyntaxError.
    """
    sources = _connections(found.root)
    if connection not in sources:
        return None
    path = sources[connection].location.file
    if path == found.main:
        raise Inseparable(
            f"it is in {path}, the main file, which is never set aside"
            if path == MAIN_FILE
            else f"{path} is a local file, so the router's file is unknown"
        )
    going = {
        name for name in {connection, *adopted} if name in sources and sources[name].location.file == path
    }
    rest = found.without(path)
    _check_alone(found.root, rest, going, path)
    gone = _keys_gone(found.root, rest, path)
    if gone:
        _check_keys_of_others(found.root, rest, loaded, settled)
    return ForeignFile(path, gone, tuple(sorted(going - {connection})))


def _connections(root: Section) -> dict[str, Section]:
    return {source.name: source.section for source in from_root(root)}


def _check_alone(whole: Section, rest: Section, going: Set[str], path: str) -> None:
    """Raises Inseparable when anything but keys and the connections that go is in the file, or they are in
    another one as well."""
    left = _connections(rest)
    for name, section in _connections(whole).items():
        if name not in going and (name not in left or _plain(left[name]) != _plain(section)):
            raise Inseparable(f"the connection {name} needs {path}, too")
    for name in going & left.keys():
        raise Inseparable(f"it is in {left[name].location.file} as well")
    for kind in ("pools", "authorities"):
        if _section(whole, kind) != _section(rest, kind):
            raise Inseparable(f"{path} has {kind}, too")


def _keys_gone(whole: Section, rest: Section, path: str) -> tuple[str, ...]:
    """The pre-shared keys that go with the file. Raises Inseparable when other ones go, or change."""
    before, after = _section(whole, "secrets"), _section(rest, "secrets")
    changed = any(value != before[name] for name, value in after.items())
    gone = sorted(before.keys() - after.keys())
    if changed or not all(name.startswith("ike") for name in gone):
        raise Inseparable(f"{path} has keys of other kinds, too")
    return tuple(gone)


def _check_keys_of_others(
    whole: Section, rest: Section, loaded: Collection[str], settled: Collection[str]
) -> None:
    """Raises Inseparable when a connection that stays may have the key that goes."""
    sources = _connections(whole)
    unknown = sorted(
        name for name in loaded if name not in {*sources, *settled} and not name.startswith(PREFIX)
    )
    if unknown:
        raise Inseparable(f"the connection {unknown[0]}, which is not in a file, may use its key")
    before, after = keys_of(whole, Diagnostics()), keys_of(rest, Diagnostics())
    for name, section in _connections(rest).items():
        if not name.startswith(PREFIX) and name not in settled and not _same_key(section, before, after):
            raise Inseparable(f"the connection {name} may use its key, too")


def report_staying(
    whole: Iterable[Configuration],
    wanted: Collection[str],
    adopted: Collection[str],
    loaded: Collection[str],
    found: Diagnostics,
) -> None:
    """Warn of connections that are about to be adopted, and whose files cannot go with them, once all that
    are `adopted` are taken over."""
    for configuration in whole:
        settled = frozenset(adopted)
        while settled & (staying := _staying(configuration, wanted, adopted, loaded, settled)).keys():
            settled -= staying.keys()
        for name, reason in staying.items():
            found.warning(
                "import-file-stays",
                _connections(configuration.root)[name].location,
                f"its file will not be set aside when {name} is taken over: {reason}",
                hint="remove the section after the first apply, or charon loads it again when it starts",
            )


def _staying(
    configuration: Configuration,
    wanted: Collection[str],
    adopted: Collection[str],
    loaded: Collection[str],
    settled: Set[str],
) -> dict[str, str]:
    """The connections whose files stay, each with the reason, if those that are `settled` need nothing."""
    staying = {}
    for source in from_root(configuration.root):
        if source.name not in wanted:
            continue
        try:
            separate(configuration, source.name, adopted, loaded, settled)
        except Inseparable as error:
            staying[source.name] = str(error)
    return staying


def _section(root: Section, name: str) -> Mapping[str, object]:
    section = root.sections.get(name)
    return {key: _plain(child) for key, child in section.sections.items()} if section is not None else {}


def _plain(section: Section) -> tuple[object, ...]:
    """A section without its places."""
    entries = sorted((key, entry.text) for key, entry in section.entries.items() if entry.text is not None)
    return (*entries, *((name, _plain(child)) for name, child in sorted(section.sections.items())))


def _same_key(section: Section, before: tuple[HeldKey, ...], after: tuple[HeldKey, ...]) -> bool:
    """Whether charon takes the same key for a connection, with fewer of them."""
    ends = [child for name, child in section.sections.items() if name.startswith(("local", "remote"))]
    if not any(end.entries.get("auth", _NONE).text == "psk" for end in ends):
        return True
    try:
        pairs = identity_pairs(section)
    except NotImportable:
        return False
    return all(matching(before, *pair) == matching(after, *pair) for pair in pairs)


def identity_pairs(section: Section) -> list[tuple[IkeId, IkeId]]:
    """Each local identity of a connection with each of the peer, by which charon may look for its key.

    Raises NotImportable where they are unknown.
    """
    return [(local, peer) for local in _ids(section, "local") for peer in _ids(section, "remote")]


def _ids(section: Section, end: str) -> Iterator[IkeId]:
    """The identities of one end: those written, and its addresses, which stand for those that are not."""
    rounds = [child for name, child in section.sections.items() if name.startswith(end)]
    written = [text for child in rounds if (text := child.entries.get("id", _NONE).text)]
    addresses = [
        text for text in split_list(section.entries.get(f"{end}_addrs", _NONE).text or "") if is_address(text)
    ]
    if not (written or addresses):
        raise NotImportable("its owner is unknown")
    yield from map(identity, (*written, *addresses))
