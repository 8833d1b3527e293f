"""The working tree as a source of documents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from reconciler.load.documents import Loaded, Source
from reconciler.load.reading import is_read, read, report_symbolic_link
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.errors import SourceUnavailable


def load_tree(path: Path, subdir: str = "") -> Loaded:
    """Read every document and every file of encrypted keys below `path`/`subdir`, but for hidden ones.

    File names in the result are relative to `path`. Raises SourceUnavailable when there is no such folder.
    """
    subdir = subdir.strip("/").removeprefix("./")
    root = path / subdir
    if not root.is_dir():
        raise SourceUnavailable(f"{root} is not a folder", hint="name the folder of the desired state")
    found = Diagnostics()
    files: dict[str, bytes] = {}
    for entry, name in _entries(root, subdir, found):
        try:
            files[name] = Path(entry).read_bytes()
        except OSError as error:
            found.error("file-unreadable", Location(name), f"cannot be read: {error.strerror}")
    return read(files, Source(str(path), subdir), found)


def _entries(folder: Path, prefix: str, found: Diagnostics) -> Iterator[tuple[str, str]]:
    """(path, reported name) of each file to read."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        found.error("file-unreadable", Location(prefix), f"cannot be listed: {error.strerror}")
        return
    for entry in entries:
        name = f"{prefix}/{entry.name}" if prefix else entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            report_symbolic_link(name, found)
        elif entry.is_dir():
            yield from _entries(folder / entry.name, name, found)
        elif is_read(entry.name):
            if entry.is_file():
                yield entry.path, name
            else:
                found.error("file-unreadable", Location(name), "not a regular file")
