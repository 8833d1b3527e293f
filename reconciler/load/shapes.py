"""Files of one shape: composed once, and filled in after that.

In a fleet thousands of files differ in a few plain words alone: names, addresses, numbers. The rest of a file
is its *shape*. A shape that `compose` has understood once without a finding, with each word a whole scalar,
is understood for other words too: they are made of characters that end no scalar and begin nothing else
(yaml.org/spec/1.2.2, section 7.3.3). So a file of a known shape is not parsed: its words go where those of
the first one went, and its marks are those of the shape, moved by the lengths of the words before them.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, TypeAlias

from reconciler.load.composer import compose
from reconciler.load.documents import Document, Marks, Position
from reconciler.load.scalars import Scalar, resolve
from reconciler.model.bounds import MOST_SHAPES, SHAPED_BYTES
from reconciler.model.diagnostic import Diagnostics

_WORDS: Final = re.compile(
    r"(: |- |, |\[)"
    r"([A-Za-z0-9](?:[\w ,./()+@-]{0,200}[\w./)](?=\n)|[\w./-]{0,200}(?=[\n,\]}])))",
    re.ASCII,
)
"""What may differ between files of one shape, after the sign that begins a value: the rest of a line, or a
member of `[ ]` or `{ }`. Anything else that is a value there belongs to the shape."""

_Values: TypeAlias = Sequence[object]
_Members: TypeAlias = Callable[[_Values], _Values]


class _Resolved(dict[str, Scalar]):
    """Word -> its value, found once."""

    def __missing__(self, word: str) -> Scalar:
        value = self[word] = resolve(word)
        return value


class _MovedMarks(Marks):
    """The marks of a shape, of whose parts some stand behind words."""

    __slots__ = ("_before", "_lengths")

    def __init__(self, numbers: array[int], before: dict[int, tuple[int, int]], lengths: bytes) -> None:
        """`numbers` are those of a file whose words are empty; `before` says which words stand before a part
        in its line."""
        self._numbers = numbers
        self._before = before
        self._lengths = lengths

    def position(self, part: int) -> Position:
        """Where a part stands."""
        line, column = super().position(part)
        first, end = self._before.get(part, (0, 0))
        return line, column + sum(self._lengths[first:end])


@dataclass(frozen=True, slots=True)
class _Container:
    """How one mapping or sequence is made of the values before it."""

    keys: tuple[str, ...] | None
    members: _Members

    def filled(self, values: _Values) -> object:
        """The mapping, or the sequence where there are no keys."""
        members = self.members(values)
        return list(members) if self.keys is None else dict(zip(self.keys, members, strict=True))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is known of one document of a shape. The values of all are the words of the file, then what is the
    same in each, then the containers, the innermost first and the document itself last."""

    constants: tuple[object, ...]
    containers: tuple[_Container, ...]
    numbers: array[int]
    before: dict[int, tuple[int, int]]
    index: int
    count: int

    def filled(self, words: list[object], lengths: bytes, file: str) -> Document:
        """The document of a file with these words."""
        values = [*words, *self.constants]
        for container in self.containers:
            values.append(container.filled(values))
        marks = _MovedMarks(self.numbers, self.before, lengths)
        return Document(values[-1], marks, file, self.index, self.count)


class Shapes:
    """Composes files, each shape of which is known once it was seen twice."""

    def __init__(self) -> None:
        self._shapes: dict[str, tuple[_Shape, ...] | None] = {}
        """None for a shape that has to be composed each time."""
        self._seen: set[int] = set()
        self._resolved = _Resolved()

    def compose(self, content: bytes, file: str, found: Diagnostics) -> tuple[list[Document], bool]:
        """The same as `composer.compose`, and its findings."""
        if len(content) > SHAPED_BYTES or b"\0" in content:
            return compose(content, file, found)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return compose(content, file, found)
        shape, words = _parted(text)
        known = self._shapes.get(shape)
        if known is not None:
            lengths = bytes(map(len, words))
            values: list[object] = list(map(self._resolved.__getitem__, words))
            return [part.filled(values, lengths, file) for part in known], True
        errors = found.error_count
        documents, whole = compose(content, file, found)
        if shape in self._shapes or len(self._shapes) == MOST_SHAPES:
            return documents, whole
        if hash(shape) in self._seen:
            self._shapes[shape] = _learnt(text, documents) if whole and found.error_count == errors else None
        self._seen.add(hash(shape))
        return documents, whole


def _parted(text: str) -> tuple[str, list[str]]:
    """The shape of a text, and its words. A word with a comma has another shape: inside `[ ]` and `{ }` it is
    two words."""
    parts = _WORDS.split(text)
    words = parts[2::3]
    del parts[2::3]
    joined = "\0".join(words)
    if "," in joined:
        parts += ["," if "," in word else "" for word in words]
    return "\0".join(parts), words


def _learnt(text: str, documents: list[Document]) -> tuple[_Shape, ...] | None:
    """What a text of a shape shows of it; None where one of its words is not a whole scalar: in a comment, a
    block scalar, quotes, or the first of several lines."""
    places = list(_places(text))
    learnt = [_Learnt(document, places) for document in documents]
    if sum(len(one.words) for one in learnt) != len(places) or not all(one.containers for one in learnt):
        return None
    return tuple(one.shape() for one in learnt)


def _places(text: str) -> Iterator[tuple[Position, str]]:
    """Where each word stands."""
    line, start = 1, 0
    for match in _WORDS.finditer(text):
        begin = match.start(2)
        line += text.count("\n", start, begin)
        start = begin
        yield (line, begin - text.rfind("\n", 0, begin)), match[2]


class _Learnt:
    """One document, taken apart: which of its scalars are words."""

    def __init__(self, document: Document, places: list[tuple[Position, str]]) -> None:
        self._document = document
        self._places = places
        self._numbers = {place: number for number, (place, _) in enumerate(places)}
        self._constants: list[object] = []
        self.containers: list[tuple[tuple[str, ...] | None, list[int]]] = []
        """The keys and the members of each. A member that is no word is counted from -1 downwards, constants
        at odd numbers and containers at even ones: how many constants there are is known in the end."""
        self.words: set[int] = set()
        self._part = 0
        self._value(document.data)

    def shape(self) -> _Shape:
        """What is filled in later."""
        constants = len(self._places)
        containers = constants + len(self._constants)

        def place(member: int) -> int:
            number = -member - 1
            return member if member >= 0 else (containers if number % 2 else constants) + number // 2

        made = tuple(
            _Container(keys, _getter(list(map(place, members)))) for keys, members in self.containers
        )
        numbers, before = self._moved()
        document = self._document
        return _Shape(tuple(self._constants), made, numbers, before, document.index, document.values)

    def _value(self, data: object) -> int:
        """Where a value is to be found."""
        part = self._part
        self._part += 1
        if isinstance(data, dict):
            members = []
            for value in data.values():
                self._part += 1
                members.append(self._value(value))
            self.containers.append((tuple(data), members))
            return -2 * len(self.containers)
        if isinstance(data, list):
            self.containers.append((None, [self._value(value) for value in data]))
            return -2 * len(self.containers)
        number = self._numbers.get(self._document.marks.position(part))
        if number is not None and _same(data, resolve(self._places[number][1])):
            self.words.add(number)
            return number
        self._constants.append(data)
        return 1 - 2 * len(self._constants)

    def _moved(self) -> tuple[array[int], dict[int, tuple[int, int]]]:
        """The marks as if all words were empty, and which words stand before a part in its line."""
        lines: dict[int, list[int]] = {}
        for number, ((line, _), _) in enumerate(self._places):
            lines.setdefault(line, []).append(number)
        numbers = array("I", self._document.marks.numbers)
        before = {}
        for part in range(len(self._document.marks)):
            line, column = self._document.marks.position(part)
            there = [number for number in lines.get(line, ()) if self._places[number][0][1] < column]
            if there:
                before[part] = there[0], there[-1] + 1
                numbers[3 * part + 1] = column - sum(len(self._places[number][1]) for number in there)
        return numbers, before


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _getter(members: list[int]) -> _Members:
    """Takes those members of a sequence."""
    if len(members) == 1:
        return itemgetter(slice(members[0], members[0] + 1))
    return itemgetter(*members) if members else lambda _: ()
