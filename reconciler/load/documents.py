"""What loading yields: plain data, and beside it the marks that say where each part of it stands."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from reconciler.model.bounds import MOST_UNREAD
from reconciler.model.diagnostic import Diagnostic, Location
from reconciler.model.quoting import is_plain

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes that lead to a value of a document: `("spec", "peer", "cidrs", 1)`."""

Position: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""


class Marks:
    """Where the parts of a document stand, in the order of its text; a key stands before its value.

    Of each part three numbers: line, column, and how many parts there are up to its end, itself included. As
    objects of their own they would take three times the memory of the document.
    """

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers = array("I")

    def __len__(self) -> int:
        return len(self._numbers) // 3

    @property
    def numbers(self) -> Sequence[int]:
        """All of them."""
        return self._numbers

    def add(self, line: int, column: int) -> int:
        """The number of the next part, to which nothing else belongs unless `close` says so."""
        part = len(self)
        self._numbers.extend((line, column, 1))
        return part

    def close(self, part: int) -> None:
        """All that was added since belongs to this part."""
        self._numbers[3 * part + 2] = len(self) - part

    def cut(self, part: int) -> None:
        """Take this part out, with all that was added since."""
        del self._numbers[3 * part :]

    def position(self, part: int) -> Position:
        """Where a part stands."""
        return self._numbers[3 * part], self._numbers[3 * part + 1]

    def member(self, part: int, index: int, count: int, width: int) -> int:
        """Where one of the `count` members of a part begins. A member is a value, after its key where `width`
        is 2."""
        first = part + 1
        if self._numbers[3 * part + 2] == 1 + count * width:
            # They are all keys and scalars, each of them one part.
            return first + index * width
        for _ in range(index):
            value = first + width - 1
            first = value + self._numbers[3 * value + 2]
        return first


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document. `data` is made of dict (keys are str), list, str, int, float, bool and None."""

    data: object
    marks: Marks
    file: str
    index: int
    """Its place in the file, from 0."""
    values: int = 0
    """How many keys, list members and other values it has."""

    @property
    def kind(self) -> str | None:
        """What it says of its kind, which need not be one of ours; None where that is no text."""
        kind = self.value(("kind",))
        return kind if isinstance(kind, str) else None

    @property
    def name(self) -> str | None:
        """Its name, as far as it is known before the schema is checked; None where that is no text."""
        name = self.value(("metadata", "name"))
        return name if isinstance(name, str) else None

    def locate(self, path: Path = ()) -> Location:
        """Where a value stands; of what is missing, the nearest that encloses it."""
        _, value = self._parts(path)
        return Location(self.file, *self.marks.position(value))

    def locate_key(self, path: Path) -> Location:
        """Where the key of a value stands; of an item of a sequence, the item."""
        key, _ = self._parts(path)
        return Location(self.file, *self.marks.position(key))

    def holds(self, path: Path) -> bool:
        """True when there is a value at a path, and it is not null."""
        return self.value(path) is not None

    def has(self, path: Path) -> bool:
        """True when the document itself gives a value at a path, if only null."""
        parent = self.value(path[:-1])
        known = parent if isinstance(parent, dict) else range(len(parent)) if isinstance(parent, list) else ()
        return bool(path) and path[-1] in known

    def value(self, path: Path) -> object:
        """The value at a path, whether the schema allows it or not; None if there is none, or null."""
        data = self.data
        for part in path:
            if isinstance(data, dict) and isinstance(part, str):
                data = data.get(part)
            elif isinstance(data, list) and isinstance(part, int) and part < len(data):
                data = data[part]
            else:
                return None
        return data

    def _parts(self, path: Path) -> tuple[int, int]:
        """The key and the value at a path; of a missing one twice the value that encloses it."""
        data, key, value = self.data, 0, 0
        for part in path:
            if isinstance(data, dict) and part in data:
                key = self.marks.member(value, list(data).index(part), len(data), 2)
                value, data = key + 1, data[part]
            elif isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data):
                key = value = self.marks.member(value, part, len(data), 1)
                data = data[part]
            else:
                return value, value
        return key, value


@dataclass(frozen=True, slots=True)
class LockEntry:
    """An automatically assigned address, and where the lock file says so.

    `address` is None when what stands there is no address, which loading has reported.
    """

    address: str | None
    location: Location


@dataclass(frozen=True, slots=True)
class Source:
    """Where the documents come from. `commit` is the full id of a Git commit, None for a working tree."""

    path: str
    subdir: str
    commit: str | None = None

    def __str__(self) -> str:
        where = f"{self.path}/{self.subdir}" if self.subdir else self.path
        return f"{where}@{self.commit[:12]}" if self.commit else where


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file that holds encrypted keys."""

    content: bytes
    fields: Mapping[str, str] = field(default_factory=dict)
    """Of a file with several values each by its name, as it is encrypted; empty for one that is not."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that was read. File names are relative to the folder that was named, with `/`."""

    documents: tuple[Document, ...]
    diagnostics: tuple[Diagnostic, ...]
    source: Source
    digest: str
    """SHA-256 over the names and bytes of all files, as hexadecimal digits."""
    lock_file: str
    """Name of the lock file of assigned VIP addresses, whether it exists or not; empty for standard input."""
    lock: Mapping[str, LockEntry] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    """Texts of files that could not be read in full: what they define is not known. An empty one stands for
    files of which not even the text is known."""
    sealed: Mapping[str, Sealed] = field(default_factory=dict)
    """Files of encrypted keys, by their path from the folder of the desired state on."""

    @property
    def revision(self) -> str | None:
        """The id of the Git commit that was read; None for a working tree."""
        return self.source.commit

    def may_define(self, word: str) -> bool:
        """True when a file that could not be read mentions the word, or may, so that it may define it. Files
        that are too large to be searched for every word may define any."""
        if sum(map(len, self.unread)) > MOST_UNREAD:
            return True
        return any(not text or word in text for text in self.unread)


def dotted(path: Path) -> str:
    """`("spec", "peer", "cidrs", 1)` -> `spec.peer.cidrs[1]`. A key that may not be shown is `…`."""
    text = ""
    for part in path:
        word = str(part) if isinstance(part, int) or is_plain(part) else "…"
        text += f"[{word}]" if isinstance(part, int) else f".{word}" if text else word
    return text
