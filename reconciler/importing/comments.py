"""The comments of a YAML document: taken out with the fields that they are about, and put in at others. Pure.

A comment on a line of its own is about what stands on the next line, one behind a value about that line.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from _ruamel_yaml import CParser  # type: ignore[import-not-found]
from ruamel.yaml.events import ScalarEvent, StreamEndEvent

from reconciler.load import Document, Path

_SIGN = re.compile(r"(?:^|(?<=\s))#")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment without its indentation, `#` included."""

    path: Path | None
    """What it is about: what stands first on its line; None behind the last line of a document."""
    text: str
    beside: bool
    """Whether it stands behind a value."""


def without_comments(text: str, document: Document, first: int) -> tuple[str, list[Comment]]:
    """A document's text without comments and empty lines, and the comments in their order. `first` is the
    line of the file with which the text begins."""
    lines = text.splitlines()
    inside = list(_scalars(text))
    places = {line - first: path for path, line in reversed(_lines(document)) if line >= first}
    numbers = sorted(places)
    kept: list[str] = []
    comments: list[Comment] = []
    for number, line in enumerate(lines):
        signs = (found.start() for found in _SIGN.finditer(line))
        start = next((sign for sign in signs if not _within(inside, number, sign)), None)
        bare = line if start is None else line[:start].rstrip()
        if start is not None:
            beside = bool(bare)
            nearest = bisect_right(numbers, number) - 1 if beside else bisect_left(numbers, number)
            about = places[numbers[nearest]] if 0 <= nearest < len(numbers) else None
            comments.append(Comment(about, line[start:], beside))
        if bare.strip() or _within(inside, number, 0):
            kept.append(bare)
    return "".join(f"{line}\n" for line in kept), comments


def with_comments(text: str, document: Document, comments: Iterable[Comment]) -> str:
    """The text of a document (its first line is the file's) with comments at fields that it has."""
    lines = text.splitlines()
    numbers = {path: line - 1 for path, line in _lines(document)}
    # Behind a value that goes on in the next line a comment would become a part of it.
    unfinished = {start[0] for start, end in _scalars(text) if start[0] < end[0]}
    above: dict[int, dict[str, None]] = {}
    beside: dict[int, str] = {}
    last: list[str] = []
    for comment in comments:
        if comment.path is None:
            last.append(comment.text)
            continue
        number = numbers[comment.path]
        there = above.setdefault(number, {})
        if comment.text in there or comment.text == beside.get(number):
            # Both documents of a pair often say the same.
            continue
        if comment.beside and number not in beside and number not in unfinished:
            beside[number] = comment.text
        else:
            there[comment.text] = None
    written: list[str] = []
    for number, line in enumerate(lines):
        indent = line[: len(line) - len(line.lstrip())]
        written += [f"{indent}{words}" for words in above.get(number, ())]
        written.append(f"{line} {beside[number]}" if number in beside else line)
    return "".join(f"{line}\n" for line in [*written, *last])


def _scalars(text: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Line and column, from 0, of the beginning and the end of each scalar."""
    next_event = CParser(text).get_event
    while not isinstance(event := next_event(), StreamEndEvent):
        if isinstance(event, ScalarEvent):
            start, end = event.start_mark, event.end_mark
            yield (start.line, start.column), (end.line, end.column)


def _within(scalars: list[tuple[tuple[int, int], tuple[int, int]]], line: int, column: int) -> bool:
    """Whether a place is inside one of scalars that are in order and apart."""
    before = bisect_left(scalars, ((line, column),)) - 1
    return before >= 0 and (line, column) < scalars[before][1]


def _lines(document: Document) -> list[tuple[Path, int]]:
    """Each key and list item with its line, what encloses others before them."""
    found: list[tuple[Path, int]] = []

    def walk(path: Path, value: object) -> None:
        inner: Mapping[str, object] | dict[int, object] = {}
        if isinstance(value, dict):
            inner = value
        elif isinstance(value, list):
            inner = dict(enumerate(value))
        for part, item in inner.items():
            found.append(((*path, part), document.locate_key((*path, part)).line))
            walk((*path, part), item)

    walk((), document.data)
    return found
