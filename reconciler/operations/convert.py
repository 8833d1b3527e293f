"""Make one connection of the two documents of each pair: new texts for the files, which are not written here.

The new documents are validated with the rest of the tree, and what they describe must be what was described
before, up to an empty plan.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ruamel.yaml import YAML

from reconciler.importing.comments import with_comments, without_comments
from reconciler.importing.joining import Written, comments_of, joined
from reconciler.importing.yaml_text import yaml_text
from reconciler.load import Document, Loaded
from reconciler.load.composer import compose
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.suggestion import check_known
from reconciler.operations.revisions import between
from reconciler.validate import validate
from reconciler.validate.catalog import LONGEST_NAME

_BOM = "\ufeff"
_SEPARATOR = re.compile(r"---(\s*)\n?")
_MARKED = re.compile(r"(---|\.\.\.)(\s|$)")


@dataclass(frozen=True, slots=True)
class Converted:
    """One connection that two documents become."""

    name: str
    file: str
    """The file that has it, named as loading does."""
    ends: tuple[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion comes to, before anything is written."""

    connections: tuple[Converted, ...]
    found: Diagnostics
    """Pairs that stay as they are, each with its reason."""
    before: Mapping[str, str] = field(default_factory=dict)
    """File -> its text now, of every file that changes."""
    after: Mapping[str, str] = field(default_factory=dict)
    """File -> its new text; empty for a file that goes."""


@dataclass(slots=True)
class _Part:
    """One document of a file."""

    line: int
    """The first of its lines, from 1."""
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its lines with their ends."""
        return "".join(self.lines)


def convert(
    loaded: Loaded, fabric: Fabric, read: Callable[[str], str], chosen: Iterable[str] = ()
) -> Conversion:
    """Join the documents of the managed pairs of a valid tree; only those of the tunnels `chosen`, if any.
    `read` gives the text of a file that loading has named.

    A pair whose connection would not be what its documents are stays as it is, with the reason among what was
    found. Raises TunnelwrightError for a name that no tunnel has.
    """
    chosen = tuple(chosen)
    check_known(chosen, fabric.tunnels, "tunnel")
    found = Diagnostics()
    files = _Files(loaded, read)
    taken = {item.origin.name for item in fabric.tunnels.values() if item.origin is not None}
    done: list[tuple[Converted, Tunnel]] = []
    for left, right in _pairs(fabric, chosen):
        ends = files.written(left, found), files.written(right, found)
        if ends[0] is None or ends[1] is None:
            continue
        name = _name(left, right, taken)
        item = _joined(name, (ends[0], ends[1]), files, found)
        if item is not None:
            taken.add(name)
            done.append((item, left))
    sound = tuple(_sound(loaded, fabric, files, done, found))
    return Conversion(sound, found, *files.changed(sound))


def _pairs(fabric: Fabric, chosen: tuple[str, ...]) -> Iterator[tuple[Tunnel, Tunnel]]:
    """Pairs whose ends have documents of their own, each once."""
    for name in sorted(fabric.tunnels):
        left, *rest = fabric.ends_of(name)
        if not rest or left.origin is not None or rest[0].origin is not None or name > rest[0].name:
            continue
        if not chosen or not {name, rest[0].name}.isdisjoint(chosen):
            yield left, rest[0]


def _name(left: Tunnel, right: Tunnel, taken: set[str]) -> str:
    """The names of both routers, in order; the name of the first end where that is taken or too long."""
    name = "--".join(sorted((left.router, right.router)))
    return left.name if name in taken or len(name) > LONGEST_NAME else name


def _joined(name: str, ends: tuple[Written, Written], files: _Files, found: Diagnostics) -> Converted | None:
    body = joined(name, ends, found)
    if body is None:
        return None
    plain = yaml_text(body)
    (document,), _ = compose(plain.encode(), "", Diagnostics())
    whole = with_comments(plain, document, comments_of(ends, document))
    files.put(name, ends[0].document, whole)
    files.put(name, ends[1].document, "")
    return Converted(name, ends[0].document.file, (ends[0].tunnel.name, ends[1].tunnel.name), whole)


class _Files:
    """The files of the tree that hold documents to be joined, in parts."""

    def __init__(self, loaded: Loaded, read: Callable[[str], str]) -> None:
        self._read_text = read
        self._documents = {
            document.name: document for document in loaded.documents if document.kind == "IPsecTunnel"
        }
        self._texts: dict[str, str] = {}
        self._parts: dict[str, list[_Part]] = {}
        self._new: dict[str, dict[tuple[str, int], str]] = {}
        """Connection -> what it puts in the place of its two documents, by file and line."""
        self._unclear: dict[str, int] = {}
        """File -> a line of it between two documents that is not just a separator."""

    def written(self, tunnel: Tunnel, found: Diagnostics) -> Written | None:
        """The document of a tunnel end; None when its file cannot be taken apart, which is reported."""
        document = self._documents[tunnel.name]
        part = self._part(document)
        if document.file in self._unclear:
            found.error(
                "convert-refused",
                Location(document.file, self._unclear[document.file], 1),
                f"{tunnel.name!r} stays as it is: this line ends a document in a form that is not rewritten",
                hint="separate the documents of the file by lines that are only `---`",
            )
            return None
        now, _ = compose(part.text.encode(), document.file, Diagnostics())
        if [one.data for one in now] != [document.data]:
            message = f"{tunnel.name!r} stays as it is: its document was changed after it was read"
            found.error("convert-refused", document.locate(), message, hint="run the command again")
            return None
        text, comments = without_comments(part.text, document, part.line)
        reader = YAML()
        reader.preserve_quotes = True
        return Written(tunnel, document, reader.load(text), comments)

    def put(self, connection: str, document: Document, text: str) -> None:
        """Put a text of a connection in the place of a document; an empty one removes it."""
        self._new.setdefault(connection, {})[document.file, self._part(document).line] = text

    def changed(self, connections: Iterable[Converted]) -> tuple[dict[str, str], dict[str, str]]:
        """Texts before and after, of each file in which something of these connections was put."""
        new = {place: text for item in connections for place, text in self._new[item.name].items()}
        names = sorted({file for file, _ in new})
        return {name: self._texts[name] for name in names}, {name: self._after(name, new) for name in names}

    def _after(self, name: str, new: Mapping[tuple[str, int], str]) -> str:
        old = self._texts[name].removeprefix(_BOM)
        texts = [new.get((name, part.line), part.text) for part in self._parts[name]]
        kept = [text if text.endswith("\n") else f"{text}\n" for text in texts if text.strip()]
        text = "---\n".join([*([""] if _MARKED.match(old) and kept else []), *kept])
        text = text.replace("\n", "\r\n") if "\r\n" in old else text
        return text and self._texts[name][: len(self._texts[name]) - len(old)] + text

    def _part(self, document: Document) -> _Part:
        if document.file not in self._parts:
            self._read(document.file)
        parts = self._parts[document.file]
        return parts[bisect_right(parts, document.locate().line, key=lambda part: part.line) - 1]

    def _read(self, name: str) -> None:
        text = self._read_text(name)
        self._texts[name] = text
        parts = [_Part(1)]
        lines = text.removeprefix(_BOM).replace("\r\n", "\n").splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            if not _MARKED.match(line):
                parts[-1].lines.append(line)
                continue
            parts.append(_Part(number + 1))
            if not _SEPARATOR.fullmatch(line):
                self._unclear.setdefault(name, number)
        self._parts[name] = parts


def _sound(
    loaded: Loaded,
    fabric: Fabric,
    files: _Files,
    items: list[tuple[Converted, Tunnel]],
    found: Diagnostics,
) -> Iterator[Converted]:
    """Those connections that describe what their documents did. The others are reported, and found by halves:
    a few among many take a few checks of the whole tree each."""
    chosen = tuple(item for item, _ in items)
    problem = _problem(loaded, fabric, files.changed(chosen)[1]) if items else ""
    if not problem:
        yield from chosen
    elif len(items) == 1:
        ((item, end),) = items
        found.error(
            "convert-refused",
            end.location,
            f"{' and '.join(map(repr, item.ends))} stay as they are: as one document {problem}",
        )
    else:
        half = len(items) // 2
        yield from _sound(loaded, fabric, files, items[:half], found)
        yield from _sound(loaded, fabric, files, items[half:], found)


def _problem(loaded: Loaded, fabric: Fabric, after: Mapping[str, str]) -> str:
    """Why new texts of files do not describe what the old ones did; empty where they do."""
    new = [
        document
        for name, text in after.items()
        for document in compose(text.encode(), name, Diagnostics())[0]
    ]
    kept = [document for document in loaded.documents if document.file not in after]
    now, found = validate(replace(loaded, documents=(*kept, *new)))
    if found.errors:
        return f"they would be invalid: {found.errors[0].message}"
    plan = between(fabric, now, datetime.now(UTC)).plan
    return "they would change the plan" * bool(plan.changes or now.tunnels.keys() != fabric.tunnels.keys())
