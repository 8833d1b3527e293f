"""YAML text -> documents: a composer on the event stream of ruamel.yaml's C parser.

ruamel's own constructors are several times slower and keep no position for scalars. Anchors,
aliases, tags and merge keys are refused: a reader of a desired state should see each value where it
is used, and a file of a few lines must not expand into gigabytes.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from _ruamel_yaml import CParser  # type: ignore[import-not-found]
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.load.documents import Document, Marks, Position
from reconciler.load.scalars import resolve
from reconciler.model.bounds import MOST_DEPTH, MOST_DOCUMENTS, MOST_VALUES, MOST_YAML_FINDINGS
from reconciler.model.diagnostic import Diagnostics, Location

Event: TypeAlias = Any
"""An event of the C parser; its module has no types."""

_SHOWN = 80
"""Characters of an author's word that a message repeats."""

_BOM = b"\xef\xbb\xbf"
_CONFLICT = re.compile(rb"^<{7}( |\r?$)", re.MULTILINE)
_CONFLICT_ENDS = re.compile(rb"^>{7}( |\r?$)", re.MULTILINE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
"""What YAML does not allow in its text (yaml.org/spec/1.2.2, section 5.1), below U+00A0."""


class _Unreadable(Exception):
    """The rest of the file cannot be composed; the reason is already reported."""


def compose(content: bytes, file: str, found: Diagnostics) -> tuple[list[Document], bool]:
    """Documents of one file, in order, and whether the file was understood in full.

    Documents with nothing in them are left out. Findings are added to `found`: `yaml-encoding`,
    `yaml-syntax`, `yaml-duplicate-key`, `yaml-key`, `yaml-unsupported`, `yaml-nesting`, `yaml-too-large`,
    `conflict-markers`, and `too-many-findings` where the rest of the file is passed over.
    """
    content = content.removeprefix(_BOM)
    conflict = _CONFLICT.search(content)
    if conflict is not None and _CONFLICT_ENDS.search(content, conflict.end()):
        found.error(
            "conflict-markers",
            Location(file, content.count(b"\n", 0, conflict.start()) + 1, 1),
            "the file has conflict markers of a merge",
            hint="keep the right lines between the markers, and remove the markers. Of "
            "`vips.lock.yaml` keep one line for each VIP, and run `tunnelwright allocate --base BRANCH` with "
            "the branch that is applied already: of two VIPs with one address, the one that has it there "
            "keeps it",
        )
        return [], False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        found.error(
            "yaml-encoding",
            Location(file, before.count("\n") + 1, len(before) - before.rfind("\n")),
            f"not UTF-8: byte 0x{content[error.start]:02x}",
            hint="save the file as UTF-8",
        )
        return [], False
    composer = _Composer(content, file, found)
    return composer.documents(), composer.whole


class _Composer:
    def __init__(self, content: bytes, file: str, found: Diagnostics) -> None:
        self._content = content
        self._file = file
        self._found = found
        self._findings = 0
        self._documents = 0
        self._values = 0
        self._words: dict[str, str] = {}
        """Each text once: most are keys, which come again in each document."""
        self.whole = True

    def documents(self) -> list[Document]:
        documents: list[Document] = []
        try:
            self._next = CParser(self._content).get_event
            self._next()
            while not isinstance(event := self._next(), StreamEndEvent):
                if isinstance(event, DocumentStartEvent):
                    self._documents += 1
                    self._limit(event, self._documents, MOST_DOCUMENTS, "documents")
                document = self._document(event, len(documents))
                if document is not None:
                    documents.append(document)
        except MarkedYAMLError as error:
            self.whole = False
            self._syntax_error(error)
        except YAMLError as error:
            # The reader's errors know a byte position only, and that in what it has buffered.
            self.whole = False
            reason = getattr(error, "reason", str(error))
            self._found.error("yaml-encoding", self._control_character(), f"not YAML text: {reason}")
        except _Unreadable:
            self.whole = False
        return documents

    def _document(self, event: Event, index: int) -> Document | None:
        """The next document; None when it is empty or holds what is refused."""
        self._sound = True
        before = self._values
        if isinstance(event, DocumentStartEvent) and event.tags:
            self._refuse(event, "a tag directive")
        self._marks = Marks()
        data = self._value(self._next(), 1)
        self._next()
        if not self._sound:
            self.whole = False
            return None
        if data is None:
            return None
        return Document(data, self._marks, self._file, index, self._values - before)

    def _value(self, event: Event, depth: int) -> object:
        kind = type(event)
        self._values += 1
        self._limit(event, self._values, MOST_VALUES, "keys and values")
        part = self._marks.add(*_position(event))
        if kind is ScalarEvent:
            if event.anchor is not None or event.tag is not None:
                self._refuse_properties(event)
            text = self._words.setdefault(event.value, event.value)
            return resolve(text) if event.implicit[0] else text
        if kind is AliasEvent:
            self._refuse(event, "an alias (*…)")
            return None
        if event.anchor is not None or event.tag is not None:
            self._refuse_properties(event)
        if depth > MOST_DEPTH:
            self._report("yaml-nesting", event, f"nested more than {MOST_DEPTH} levels deep")
            raise _Unreadable
        data: object = self._mapping(depth) if kind is MappingStartEvent else self._sequence(depth)
        self._marks.close(part)
        return data

    def _mapping(self, depth: int) -> dict[str, object]:
        data: dict[str, object] = {}
        parts: dict[str, int] = {}
        while type(event := self._next()) is not MappingEndEvent:
            part = len(self._marks)
            key = self._key(event, depth)
            value = self._value(self._next(), depth + 1)
            if key is None:
                continue
            if key in data:
                self._duplicate(event, parts[key])
                self._marks.cut(part)
                continue
            data[key] = value
            parts[key] = part
        return data

    def _sequence(self, depth: int) -> list[object]:
        data: list[object] = []
        while type(event := self._next()) is not SequenceEndEvent:
            data.append(self._value(event, depth + 1))
        return data

    def _key(self, event: Event, depth: int) -> str | None:
        """The text of a key; None when it is not text, which is reported."""
        if type(event) is ScalarEvent and event.value == "<<" and event.implicit[0]:
            self._refuse(event, "a merge key (<<)")
            return None
        key = self._value(event, depth + 1)
        if isinstance(key, str):
            return key
        if type(event) is not AliasEvent:
            self._sound = False
            self._report(
                "yaml-key",
                event,
                "a key must be text",
                hint="quote it" if type(event) is ScalarEvent else "",
            )
        return None

    def _duplicate(self, event: Event, part: int) -> None:
        # Neither here nor below is a name quoted: `key: &…`, `key: !…` may be the beginning of a pasted key.
        first = Location(self._file, *self._marks.position(part))
        self._report(
            "yaml-duplicate-key",
            event,
            f"this key is already given at line {first.line}, column {first.column}",
            related=(first,),
        )

    def _refuse_properties(self, event: Event) -> None:
        if event.anchor is not None:
            self._refuse(event, "an anchor (&…)")
        if event.tag is not None:
            self._refuse(event, "a tag (!…)")

    def _refuse(self, event: Event, what: str) -> None:
        self._sound = False
        self._report(
            "yaml-unsupported",
            event,
            f"{what} is not supported in the desired state",
            hint="write the value itself",
        )

    def _report(
        self, code: str, event: Event, message: str, hint: str = "", related: tuple[Location, ...] = ()
    ) -> None:
        """Raises _Unreadable after so many findings that their author has to run the check again anyway."""
        self._found.error(code, self._at(event), message, hint=hint, related=related)
        self._findings += 1
        if self._findings == MOST_YAML_FINDINGS:
            self._found.error(
                "too-many-findings",
                self._at(event),
                f"{MOST_YAML_FINDINGS} findings in this file; the rest of it was not read",
            )
            raise _Unreadable

    def _syntax_error(self, error: MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        location = Location(self._file, mark.line + 1, mark.column + 1) if mark else Location(self._file)
        context = f" {error.context}" if error.context else ""
        lines = self._content.decode().splitlines()
        line = lines[mark.line] if mark and mark.line < len(lines) else ""
        hint = ""
        if "\t" in line:
            hint = "indent with spaces: YAML does not allow tabs there"
        elif any(sign in line for sign in "{[") and any(sign in line for sign in "?:"):
            hint = "inside { } and [ ], quote text that contains `?` or `:`"
        self._found.error("yaml-syntax", location, f"not YAML:{context} {error.problem}", hint=hint)

    def _control_character(self) -> Location:
        text = self._content.decode()
        match = _CONTROL.search(text)
        if match is None:
            return Location(self._file)
        before = text[: match.start()]
        return Location(self._file, before.count("\n") + 1, len(before) - before.rfind("\n"))

    def _limit(self, event: Event, count: int, most: int, what: str) -> None:
        """Raises _Unreadable beyond the limit."""
        if count > most:
            self._report("yaml-too-large", event, f"more than {most:,} {what} in one file")
            raise _Unreadable

    def _at(self, event: Event) -> Location:
        return Location(self._file, *_position(event))


def _position(event: Event) -> Position:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
