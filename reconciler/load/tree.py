"""The working tree as a source of documents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from reconciler.load.documents import Loaded, Source
from reconciler.load.git import GitFailed, Repository, found_above, refuse_links_below
from reconciler.load.listing import Choice, Entry, Kind, chosen
from reconciler.load.reading import digest_of, read
from reconciler.load.sealed import report_private
from reconciler.model.bounds import FILE_BYTES, LOOKED_AT_BYTES, TREE_DEPTH
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.errors import SourceUnavailable

_SUBMODULE = b"160000"
_SKIPPED = b"S"
"""The tag of files that a sparse checkout leaves out (git-ls-files(1), `-t`)."""


def load_tree(path: Path, subdir: str = "") -> Loaded:
    """Read every document and every file of encrypted keys below `path`/`subdir`, but for hidden ones. A
    private key is found in any file.

    File names in the result are relative to `path`.
    Raises SourceUnavailable when there is no such folder.
    """
    found = Diagnostics()
    choice, files = _files(path, subdir, found)
    for name, entry in choice.looked_at.items():
        try:
            report_private((name,), _beginning(entry, LOOKED_AT_BYTES), found)
        except FileNotFoundError:
            # What an editor had there for a moment is not a key that is kept here.
            continue
        except OSError as error:
            found.error("file-unreadable", Location(name), f"cannot be read: {error.strerror}")
    return read(files, Source(str(path), _below(subdir)), found, whole_tree=choice.whole)


def digest_of_tree(path: Path) -> str:
    """The digest of what `load_tree` reads. Raises SourceUnavailable when there is no such folder."""
    return digest_of(_files(path, "", Diagnostics())[1])


def _below(subdir: str) -> str:
    return subdir.strip("/").removeprefix("./")


def _files(path: Path, subdir: str, found: Diagnostics) -> tuple[Choice, dict[str, bytes]]:
    """What is in a tree, and the content of the files that are read of it."""
    subdir = _below(subdir)
    root = path / subdir
    if not root.is_dir():
        raise SourceUnavailable(f"{root} is not a folder", hint="name the folder of the desired state")
    refuse_links_below(root)
    empty: list[bytes] = []
    prefix = os.fsencode(f"{subdir}/") if subdir else b""
    present = _entries(os.fsencode(root), prefix, empty)
    if not subdir:
        # The one `.git` that belongs here: that of the repository whose root was named.
        present = (entry for entry in present if entry.name != b".git")
    choice = chosen(chain(present, _not_checked_out(root, prefix, empty)), subdir, found)
    files: dict[str, bytes] = {}
    for name, entry in choice.files.items():
        try:
            files[name] = _content(entry)
        except OSError as error:
            choice.report("file-unreadable", name, f"cannot be read: {error.strerror}")
    return choice, files


def _entries(folder: bytes, prefix: bytes, empty: list[bytes], depth: int = 0) -> Iterator[Entry]:
    """Everything in a folder and below it; folders without anything in them are in `empty` as well."""
    try:
        entries: list[os.DirEntry[bytes]] = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Entry(prefix.rstrip(b"/"), Kind.UNREADABLE, f"cannot be listed: {error.strerror}")
        return
    if not entries:
        empty.append(prefix.rstrip(b"/"))
    for entry in entries:
        found = _entry(prefix + entry.name, entry)
        yield found
        if found.kind is Kind.FOLDER and entry.name != b".git" and depth <= TREE_DEPTH:
            yield from _entries(entry.path, found.name + b"/", empty, depth + 1)


def _entry(name: bytes, there: os.DirEntry[bytes]) -> Entry:
    """What is there, which may have vanished since its folder was listed."""
    try:
        kind = _kind(there)
        size = there.stat(follow_symlinks=False).st_size if kind is Kind.FILE else 0
    except OSError as error:
        return Entry(name, Kind.UNREADABLE, f"cannot be read: {error.strerror}")
    return Entry(name, kind, os.fsdecode(there.path), size)


def _kind(entry: os.DirEntry[bytes]) -> Kind:
    if entry.is_symlink():
        return Kind.LINK
    if entry.is_dir():
        return Kind.FOLDER
    return Kind.FILE if entry.is_file() else Kind.OTHER


def _beginning(entry: Entry, most: int) -> bytes:
    """As much of a file. Raises OSError."""
    # Without waiting for the writer of a pipe that has taken the file's place.
    descriptor = os.open(entry.handle, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)


def _content(entry: Entry) -> bytes:
    """A file as it was listed. Raises OSError, also for one that is another now."""
    content = _beginning(entry, entry.size + 1)
    if len(content) != entry.size:
        raise OSError(0, "it changed while it was read")
    return content


def _not_checked_out(root: Path, prefix: bytes, empty: list[bytes]) -> Iterator[Entry]:
    """What the repository has in the folder `root` and the working tree has not: submodules, of which an
    empty folder is all that is there, and what a sparse checkout leaves out. To pass over it would delete
    every tunnel in it. Git is asked only when there is a sign of either."""
    try:
        repository = found_above(root)
        if repository is not None:
            yield from _of_index(repository, root, prefix, empty)
            return
    except GitFailed:
        # No repository that Git could be asked about, as in the copy of a linked working tree.
        pass
    for place in (here := root.resolve(), *here.parents):
        if (modules := place / ".gitmodules").is_file():
            paths = _paths(modules)
            for name in empty:
                folder = here / os.fsdecode(name.removeprefix(prefix))
                if os.fsencode(folder.relative_to(place)) in paths:
                    yield Entry(name, Kind.SUBMODULE, "")
            return


def _of_index(repository: Repository, root: Path, prefix: bytes, empty: list[bytes]) -> Iterator[Entry]:
    sparse = repository.git_dir / "info" / "sparse-checkout"
    if not empty and not sparse.exists():
        return
    place = repository.place(root)
    for item in repository.items("ls-files", "-z", "-t", "--stage", "--", place or "."):
        attributes, name = item.split(b"\t", 1)
        tag, mode, _ = attributes.split(b" ", 2)
        if mode == _SUBMODULE or tag == _SKIPPED:
            kind = Kind.SUBMODULE if mode == _SUBMODULE else Kind.ABSENT
            yield Entry(prefix + name.removeprefix(os.fsencode(place)), kind, "")


def _paths(modules: Path) -> set[bytes]:
    """The folders of the submodules that a `.gitmodules` names (gitmodules(5))."""
    try:
        with modules.open("rb") as file:
            lines = file.read(FILE_BYTES).splitlines()
    except OSError:
        return set()
    pairs = (line.partition(b"=") for line in lines)
    return {
        value.strip().strip(b'"').rstrip(b"/") for key, _, value in pairs if key.strip().lower() == b"path"
    }
