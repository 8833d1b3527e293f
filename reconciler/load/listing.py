"""What stands in a tree, and what of it is read: the same for a working tree and for a revision. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from reconciler.load.sealed import is_sealed
from reconciler.model.bounds import FILE_BYTES, LOOKED_AT_BYTES, MIB, TREE_BYTES, TREE_DEPTH, TREE_ENTRIES
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.listing import counted
from reconciler.model.visible import unambiguous

SUFFIXES = (".yaml", ".yml")
_GIT = ".git"
_REPOSITORY = frozenset({"HEAD", "objects", "refs"})
"""What Git takes a folder for a bare repository by (gitrepository-layout(5))."""


class Kind(Enum):
    """What an entry of a tree is."""

    FILE = auto()
    FOLDER = auto()
    LINK = auto()
    SUBMODULE = auto()
    """A commit of another repository."""
    ABSENT = auto()
    """A file that the index has and a sparse checkout leaves out."""
    OTHER = auto()
    """A pipe, a socket, a device."""
    UNREADABLE = auto()
    """What cannot be looked at or listed; `handle` says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `name` is its path as bytes, `handle` what its content is read by."""

    name: bytes
    kind: Kind
    handle: str
    size: int = 0


def is_read(name: str) -> bool:
    """True for the names of files that are read: documents, and what holds encrypted keys."""
    return name.endswith(SUFFIXES) or is_sealed(name)


def chosen(entries: Iterable[Entry], subdir: str, found: Diagnostics) -> Choice:
    """Which files to read and which to look at; what is left out is in `found`.

    Entries have names that begin with `subdir`. No more of them are taken than a tree may have, and of a
    tree that has more nothing is read.
    """
    choice = Choice(len(subdir) + 1 if subdir else 0, found)
    for count, entry in enumerate(entries, 1):
        name = unambiguous(entry.name)
        reason = choice.exceeded(count, name)
        if reason:
            choice.refuse(name, reason)
            return choice
        choice.take(name, entry)
    choice.report_repositories()
    return choice


def first_beyond(names: Iterable[bytes], start: int) -> bytes | None:
    """The first entry that a tree has too many, given the names of all; `start` is the length of what they
    begin with before the folder of the desired state ends. Nothing else is looked at: a few objects of Git
    may name a million million files. None also where folders are too deep, which `chosen` reports."""
    for count, name in enumerate(names):
        if count == TREE_ENTRIES:
            return name
        if name.count(b"/", start) >= TREE_DEPTH:
            return None
    return None


def nothing(name: bytes, subdir: str, found: Diagnostics) -> Choice:
    """The choice from a tree that has too many entries, of which `name` is the first."""
    choice = Choice(len(subdir) + 1 if subdir else 0, found)
    choice.refuse(unambiguous(name), _too_many())
    return choice


@dataclass(slots=True)
class Choice:
    """What was chosen of the entries so far."""

    start: int
    """Length of what names begin with before the folder of the desired state ends."""
    found: Diagnostics
    files: dict[str, Entry] = field(default_factory=dict)
    """Name -> entry of each file to read."""
    looked_at: dict[str, Entry] = field(default_factory=dict)
    """Name -> entry of each other file that is small enough to be a private key, whatever its name is. They
    are no part of the desired state: not of its digest, nor of what it may have of bytes."""
    whole: bool = True
    """Whether `files` are all that there is to read."""
    total: int = 0
    marks: dict[str, set[str]] = field(default_factory=dict)
    """Folder -> which signs of a repository it holds."""
    hidden: set[str] = field(default_factory=set)
    """What was reported already."""

    def exceeded(self, count: int, name: str) -> str:
        """Which bound the tree exceeds with this entry; empty for none."""
        if count > TREE_ENTRIES:
            return _too_many()
        if name.count("/", self.start) >= TREE_DEPTH:
            return f"more than {TREE_DEPTH} nested folders"
        if self.total > TREE_BYTES:
            return f"more than {TREE_BYTES // MIB} MiB of documents up to this file"
        return ""

    def refuse(self, name: str, reason: str) -> None:
        """Choose nothing of a tree that exceeds a bound."""
        self.found.error("tree-too-large", Location(name), reason)
        self.whole = False
        self.files.clear()
        self.looked_at.clear()

    def take(self, name: str, entry: Entry) -> None:
        """Choose one entry, or say why it is left out."""
        parts = name[self.start :].split("/")
        leaf = parts[-1]
        if leaf.casefold() == _GIT:
            self.report("embedded-repository", name, _OF_ANOTHER, _TAKE_OUT)
        elif leaf in _REPOSITORY:
            self.marks.setdefault(name[: -len(leaf)], set()).add(leaf)
        if entry.kind is Kind.UNREADABLE:
            self.report("file-unreadable", name, entry.handle)
            return
        if entry.kind is Kind.SUBMODULE:
            self.report("file-unreadable", name, _SUBMODULE, _TAKE_OUT)
            return
        top = next((number for number, part in enumerate(parts) if part.startswith(".")), None)
        if top is not None:
            self._report_hidden("/".join(parts[: top + 1]), name, entry, is_folder=top + 1 < len(parts))
        elif entry.kind is Kind.LINK:
            self.report("symbolic-link", name, _LINK, "put the file itself here")
        elif entry.kind is not Kind.FOLDER and is_read(leaf.casefold()):
            self._take_document(name, leaf, entry)
        if entry.kind is Kind.FILE and entry.size <= LOOKED_AT_BYTES and name not in self.files:
            self.looked_at[name] = entry

    def report_repositories(self) -> None:
        """Refuse folders that look like repositories."""
        for folder in sorted(place for place, names in self.marks.items() if names == _REPOSITORY):
            called = f"the folder {folder.rstrip('/')}" if folder else "the folder of the desired state"
            message = f"{called} has HEAD, objects and refs: {_LOOKS_BARE}"
            self.report("embedded-repository", f"{folder}HEAD", message, _TAKE_OUT)

    def _take_document(self, name: str, leaf: str, entry: Entry) -> None:
        if not is_read(leaf):
            self.report("file-suffix", name, _WRONG_CASE, f"name it {leaf.casefold()}")
        elif entry.kind is not Kind.FILE:
            self.report("file-unreadable", name, _NO_FILE[entry.kind])
        elif entry.size > FILE_BYTES:
            self.report(
                "file-too-large", name, f"{counted(entry.size, 'byte')}; at most {FILE_BYTES} are read"
            )
        else:
            self.total += entry.size
            self.files[name] = entry
            if not _is_text(entry.name):
                self.found.error("file-name", Location(name), _NAME, hint="rename it")

    def _report_hidden(self, top: str, name: str, entry: Entry, *, is_folder: bool) -> None:
        leaf = name.rpartition("/")[2]
        if top not in self.hidden and entry.kind is Kind.FILE and is_read(leaf.casefold()):
            self.hidden.add(top)
            what = f"the hidden folder {top} is not read" if is_folder else "hidden files are not read"
            self.found.warning("file-hidden", Location(name), what, hint=_UNHIDE)

    def report(self, code: str, name: str, message: str, hint: str = "") -> None:
        """Refuse an entry; the files that are chosen are not all then."""
        self.found.error(code, Location(name), message, hint=hint)
        self.whole = False


_OF_ANOTHER = "the folder belongs to another Git repository"
_LOOKS_BARE = "Git would treat it as a repository, and run commands from its configuration"
_SUBMODULE = "a submodule: its documents are in another repository, so they are not part of this revision"
_TAKE_OUT = "remove it from the tree; to share documents, copy them"
_UNHIDE = "if it is part of the desired state, rename it without the dot"
_LINK = "symbolic links are not followed, because their targets may not be part of the revision"
_WRONG_CASE = "only files with the suffix .yaml, .yml or that of an encrypted key, in lower case, are read"
_NAME = "the name is not UTF-8; invalid bytes are shown as \\xNN"
_NO_FILE = {Kind.OTHER: "not a regular file", Kind.ABSENT: "the sparse checkout excludes it"}


def _too_many() -> str:
    return f"more than {TREE_ENTRIES} files and folders"


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
