"""Make one connection of the two documents of each pair: new texts for the files, which are not written here.

The new documents are validated with the rest of the tree, and what they describe must be what was described
before, up to an empty plan.
"""

from __future__ import annotations

import re
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
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.model.suggestion import check_known
from reconciler.operations.revisions import between
from reconciler.validate import validate
from reconciler.validate.connections import LONGEST_NAME

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

    text: str
    line: int
    """The first of its lines, from 1."""


def convert(
    loaded: Loaded, fabric: Fabric, read: Callable[[str], str], chosen: Iterable[str] = ()
) -> Conversion:
    """Join the documents of the managed pairs of a valid tree; only those of the tunnels `chosen`, if any.
    `read` gives the text of a file that loading has named.

    Raises TunnelwrightError for a name that no tunnel has, and when the result would not be what the
    documents are now.
    """
    chosen = tuple(chosen)
    check_known(chosen, fabric.tunnels, "tunnel")
    found = Diagnostics()
    files = _Files(loaded, read)
    taken = {item.origin.name for item in fabric.tunnels.values() if item.origin is not None}
    done = []
    for left, right in _pairs(fabric, chosen):
        ends = files.written(left, found), files.written(right, found)
        if ends[0] is None or ends[1] is None:
            continue
        name = _name(left, right, taken)
        item = _joined(name, (ends[0], ends[1]), files, found)
        if item is not None:
            taken.add(name)
            done.append(item)
    conversion = Conversion(tuple(done), found, *files.changed())
    _check(loaded, fabric, conversion)
    return conversion


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
    files.put(ends[0].document, whole)
    files.put(ends[1].document, "")
    return Converted(name, ends[0].document.file, (ends[0].tunnel.name, ends[1].tunnel.name), whole)


class _Files:
    """The files of the tree that hold documents to be joined, in parts."""

    def __init__(self, loaded: Loaded, read: Callable[[str], str]) -> None:
        self._read_text = read
        ends = (document for document in loaded.documents if _kind_of(document) == "IPsecTunnel")
        self._documents = {_name_of(document): document for document in ends}
        self._texts: dict[str, str] = {}
        self._parts: dict[str, list[_Part]] = {}
        self._new: dict[tuple[str, int], str] = {}
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
        text, comments = without_comments(part.text, document, part.line)
        reader = YAML()
        reader.preserve_quotes = True
        return Written(tunnel, document, reader.load(text), comments)

    def put(self, document: Document, text: str) -> None:
        """Put a text in the place of a document; an empty one removes it."""
        self._new[document.file, self._part(document).line] = text

    def changed(self) -> tuple[dict[str, str], dict[str, str]]:
        """Texts before and after, of each file in which something was put."""
        names = sorted({file for file, _ in self._new})
        before = {name: self._texts[name] for name in names}
        return before, {name: self._after(name) for name in names}

    def _after(self, name: str) -> str:
        old = self._texts[name].removeprefix(_BOM)
        texts = [self._new.get((name, part.line), part.text) for part in self._parts[name]]
        kept = [text if text.endswith("\n") else f"{text}\n" for text in texts if text.strip()]
        text = "---\n".join([*([""] if _MARKED.match(old) and kept else []), *kept])
        text = text.replace("\n", "\r\n") if "\r\n" in old else text
        return text and self._texts[name][: len(self._texts[name]) - len(old)] + text

    def _part(self, document: Document) -> _Part:
        if document.file not in self._parts:
            self._read(document.file)
        line = document.locate().line
        return max(
            (part for part in self._parts[document.file] if part.line <= line), key=lambda part: part.line
        )

    def _read(self, name: str) -> None:
        text = self._read_text(name)
        self._texts[name] = text
        parts = [_Part("", 1)]
        lines = text.removeprefix(_BOM).replace("\r\n", "\n").splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            if not _MARKED.match(line):
                parts[-1].text += line
                continue
            parts.append(_Part("", number + 1))
            if not _SEPARATOR.fullmatch(line):
                self._unclear.setdefault(name, number)
        self._parts[name] = parts


def _kind_of(document: Document) -> object:
    return document.data.get("kind") if isinstance(document.data, dict) else None


def _name_of(document: Document) -> str:
    data = document.data
    return str(data["metadata"]["name"]) if isinstance(data, dict) else ""


def _check(loaded: Loaded, fabric: Fabric, conversion: Conversion) -> None:
    """Raises TunnelwrightError unless the new documents describe what the old ones did."""
    new = [
        document
        for name, text in conversion.after.items()
        for document in compose(text.encode(), name, Diagnostics())[0]
    ]
    kept = [document for document in loaded.documents if document.file not in conversion.after]
    after, found = validate(replace(loaded, documents=(*kept, *new)))
    plan = between(fabric, after, datetime.now(UTC)).plan
    if found.errors or plan.changes or after.tunnels.keys() != fabric.tunnels.keys():
        problem = found.errors[0].message if found.errors else "the plan would not be empty"
        raise TunnelwrightError(
            f"the connections would not be what the documents are: {problem}",
            hint="convert fewer documents, with --tunnel, to find out which pair it is; nothing was written",
        )
