"""swanctl.conf as strongSwan reads it: sections, settings, quotes, `include`, inheritance; and the text of
a section. Pure.

Source: strongSwan's grammar (libstrongswan/settings/settings_lexer.l, settings_parser.y) and the rules of
references (settings_types.c): what a section does not say itself comes from those it refers to.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reconciler.model.bounds import (
    SWANCTL_BYTES,
    SWANCTL_DEPTH,
    SWANCTL_FILES,
    SWANCTL_INCLUDES,
    SWANCTL_SECTIONS,
    SWANCTL_SETTINGS,
)
from reconciler.model.diagnostic import Location
from reconciler.model.swanctl import Settings

Include = Callable[[str], Iterable[tuple[str, bytes]]]
"""Gives the name and content of each file that a shell pattern names, in order. A pattern that is not
absolute is already below the folder of the file that includes."""

SECTIONS = frozenset({"connections", "secrets", "pools", "authorities"})
"""What swanctl loads of a file (swanctl.conf(5))."""

# Possessive: what was taken is never given back, so that no text takes memory for each of its characters.
_BETWEEN = re.compile(r"(?:[ \t\r\n]++|\#[^\n]*+)*+")
_NAME = re.compile(r'[^\#{}:.,="\r\n\t ]+')
_REFERENCE = re.compile(r'[^\#{}:,="\r\n\t ]+')
_INCLUDE = re.compile(r"include[ \t]+(?=[^=])")
_PATTERN = re.compile(r'"(?P<quoted>(?:[^"\\]++|\\.)*+)"|(?P<plain>(?:\\.|[^\#}\r\n\t "\\]++)++)', re.DOTALL)
_BLANK = re.compile(r"[ \t\r]*")
_PART = re.compile(r'"(?P<quoted>(?:[^"\\]++|\\.)*+)"|(?P<plain>[^\#}"\r\n\t ]++)', re.DOTALL)
_ESCAPE = re.compile(r"\\(\r?\n|.)|\r", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9._:/@%+-]+")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_UNESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\n": "", "\r\n": "", None: ""}


class SwanctlSyntaxError(Exception):
    """The file is not what strongSwan would read. It never shows a value: that may be a key."""

    def __init__(self, location: Location, message: str) -> None:
        super().__init__(message)
        self.location = location
        self.message = message


@dataclass(frozen=True, slots=True)
class Entry:
    """A setting. `text` is None for `key =`, which undoes what would be inherited."""

    text: str | None
    location: Location


@dataclass(slots=True)
class Section:
    """Settings and sections by name, where it begins, and the sections that it inherits from."""

    location: Location
    entries: dict[str, Entry] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)
    references: list[Entry] = field(default_factory=list)


def read(file: str, content: bytes, include: Include) -> Section:
    """A file with all that it includes, nothing inherited yet.

    Raises SwanctlSyntaxError.
    """
    root = Section(Location(file))
    opened = [root]
    _File(file, content, _Reading(include, opened), 0).read()
    if len(opened) > 1:
        raise SwanctlSyntaxError(opened[-1].location, "the section is not closed")
    return root


@dataclass(slots=True)
class _Reading:
    """What all files of one configuration share: the sections that are open, and what was read so far."""

    include: Include
    opened: list[Section]
    files: int = 0
    bytes: int = 0
    settings: int = 0

    def opens(self, file: str, size: int) -> None:
        """Raises SwanctlSyntaxError for more than a configuration may have."""
        self.files += 1
        self.bytes += size
        if self.files > SWANCTL_FILES or self.bytes > SWANCTL_BYTES:
            most = f"{SWANCTL_FILES:,} files and {SWANCTL_BYTES:,} bytes"
            raise SwanctlSyntaxError(Location(file), f"more than {most} including all included files")

    def sets(self, location: Location) -> None:
        """Raises SwanctlSyntaxError for more than a configuration may have."""
        self.settings += 1
        if self.settings > SWANCTL_SETTINGS:
            raise SwanctlSyntaxError(location, f"more than {SWANCTL_SETTINGS:,} settings")


class _File:
    """One file on the way through. An included file goes on inside the section that is open."""

    def __init__(self, file: str, content: bytes, reading: _Reading, depth: int) -> None:
        reading.opens(file, len(content))
        self._file = file
        self._text = content.decode(errors="surrogateescape")
        self._lines = [0, *(match.end() for match in re.finditer("\n", self._text))]
        self._reading = reading
        self._opened = reading.opened
        self._depth = depth
        self._place = 0

    def read(self) -> None:
        text = self._text
        while self._skip(_BETWEEN) < len(text):
            if text[self._place] == "}":
                if len(self._opened) == 1:
                    raise self._error("a } closes nothing")
                self._opened.pop()
                self._place += 1
            elif include := _INCLUDE.match(text, self._place):
                self._place = include.end()
                self._follow()
            elif name := _NAME.match(text, self._place):
                here = self._here()
                self._place = name.end()
                self._named(name[0], here)
            else:
                raise self._error(f"{text[self._place]!r} is not expected")

    def _named(self, name: str, here: Location) -> None:
        """What follows a name: a value, a section, or a section that inherits."""
        self._reading.sets(here)
        self._skip(_BETWEEN)
        sign = self._text[self._place : self._place + 1]
        if sign not in {"=", "{", ":"}:
            raise SwanctlSyntaxError(here, "neither = nor { follows the name")
        self._place += 1
        if sign == "=":
            self._opened[-1].entries[name] = Entry(self._value(), here)
            return
        if len(self._opened) > SWANCTL_SECTIONS:
            raise SwanctlSyntaxError(here, f"sections are nested more than {SWANCTL_SECTIONS} levels deep")
        section = self._opened[-1].sections.setdefault(name, Section(here))
        if sign == ":":
            section.references += self._references()
        self._opened.append(section)

    def _value(self) -> str | None:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            if self._place >= len(self._text) or self._text[self._place] in "#}\n":
                return " ".join(parts) if parts else None
            part = _PART.match(self._text, self._place)
            if part is None:
                raise self._error("the string is not closed")
            self._place = part.end()
            parts.append(part["plain"] if part["quoted"] is None else _unescaped(part["quoted"]))

    def _references(self) -> list[Entry]:
        found = []
        while True:
            self._skip(_BETWEEN)
            name = _REFERENCE.match(self._text, self._place)
            if name is None:
                raise self._error("the name of a section is expected")
            found.append(Entry(name[0], self._here()))
            self._place = name.end()
            self._skip(_BETWEEN)
            sign = self._text[self._place : self._place + 1]
            if sign not in {",", "{"}:
                raise self._error("{ is expected")
            self._place += 1
            if sign == "{":
                return found

    def _follow(self) -> None:
        here = self._here()
        pattern = _PATTERN.match(self._text, self._place)
        if pattern is None:
            raise self._error("a file to include is expected")
        self._place = pattern.end()
        if self._depth == SWANCTL_INCLUDES:
            raise SwanctlSyntaxError(here, f"includes are nested more than {SWANCTL_INCLUDES} levels deep")
        plain = pattern["plain"]
        # Outside of quotes a backslash stays, save before the characters that would end the pattern.
        text = _unescaped(pattern["quoted"]) if plain is None else re.sub(r'\\(["\#} ])', r"\1", plain)
        for name, content in self._reading.include(posixpath.join(posixpath.dirname(self._file), text)):
            _File(name, content, self._reading, self._depth + 1).read()

    def _skip(self, what: re.Pattern[str]) -> int:
        passed = what.match(self._text, self._place)
        if passed is not None:
            self._place = passed.end()
        return self._place

    def _here(self) -> Location:
        line = bisect_right(self._lines, self._place)
        return Location(self._file, line, self._place - self._lines[line - 1] + 1)

    def _error(self, message: str) -> SwanctlSyntaxError:
        return SwanctlSyntaxError(self._here(), message)


def _unescaped(text: str) -> str:
    """A string's value: a backslash escapes, at the end of a line it joins, carriage returns go."""
    return _ESCAPE.sub(lambda found: _UNESCAPED.get(found[1], found[1]), text)


def inherit(root: Section) -> tuple[Section, tuple[Entry, ...]]:
    """The file with everything in place that sections inherit, and the references that lead nowhere or
    in a circle, which strongSwan passes over.

    A reference is a path from the root (`connections.base`). What is nearer wins: the section's own, then
    its references in their order. Raises SwanctlSyntaxError for what would be too much, or too deep.
    """
    useless: list[Entry] = []
    made = 0

    def whole(section: Section, trail: tuple[str, ...], depth: int = 0) -> Section:
        nonlocal made
        made += 1 + len(section.entries) + len(section.references)
        if made > SWANCTL_SETTINGS:
            message = f"more than {SWANCTL_SETTINGS:,} settings once everything is inherited"
            raise SwanctlSyntaxError(section.location, message)
        if depth > SWANCTL_DEPTH:
            message = f"nesting and inheritance of sections are more than {SWANCTL_DEPTH} levels deep"
            raise SwanctlSyntaxError(section.location, message)
        result = Section(section.location, dict(section.entries))
        result.sections = {name: whole(child, trail, depth + 1) for name, child in section.sections.items()}
        for reference in section.references:
            path = reference.text or ""
            base: Section | None = root
            for part in path.split("."):
                base = base.sections.get(part) if base is not None else None
            if base is None or path in trail:
                useless.append(reference)
            else:
                _fill(result, whole(base, (*trail, path), depth + 1))
        return result

    return whole(root, ()), tuple(dict.fromkeys(useless))


def _fill(section: Section, base: Section) -> None:
    for key, entry in base.entries.items():
        section.entries.setdefault(key, entry)
    for name, child in base.sections.items():
        if name in section.sections:
            _fill(section.sections[name], child)
        else:
            section.sections[name] = child


def quoted(value: str) -> str:
    """A value as swanctl.conf takes it: in quotes when it holds more than plain characters
    (strongSwan's settings lexer: backslash escapes, quotes end the string)."""
    return value if _PLAIN.fullmatch(value) else f'"{value.translate(_ESCAPES)}"'


def section_lines(settings: Settings, depth: int) -> str:
    """What stands between the braces of a section, each line after a line feed, indented `depth` times."""
    pad = f"\n{'    ' * depth}"
    return "".join(
        f"{pad}{key} = {quoted(value)}"
        if isinstance(value, str)
        else f"{pad}{key} = {', '.join(value)}"
        if isinstance(value, tuple)
        else f"{pad}{key} {{{section_lines(value, depth + 1)}{pad}}}"
        for key, value in settings.items()
    )
