"""Named bytes -> Loaded. Pure, and the same for a working tree and for a Git revision."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeAlias

from reconciler.load.documents import Document, Loaded, LockEntry, Sealed, Source
from reconciler.load.sealed import is_sealed, read_sealed, report_private
from reconciler.load.shapes import Shapes
from reconciler.model.bounds import MOST_UNREAD, TREE_VALUES
from reconciler.model.diagnostic import Diagnostic, Diagnostics, Location
from reconciler.model.quoting import quoted
from schemas.addresses import is_address
from schemas.keys import SEALED_BY_AGE

LOCK_NAME = "vips.lock.yaml"
Composed: TypeAlias = dict[tuple[str, bytes], tuple[list[Document], bool, tuple[Diagnostic, ...]]]
"""By name and content, which is all that composing depends on: the documents of a file, whether it was
understood in full, and the findings."""


def read(
    files: Mapping[str, bytes],
    source: Source,
    found: Diagnostics,
    composed: Composed | None = None,
    *,
    whole_tree: bool = True,
) -> Loaded:
    """Compose every file, in the order of their names. `found` holds what finding them has reported, and
    `whole_tree` is False when that has left files out; `composed` is filled, and what is in it already is
    not composed again."""
    composed = {} if composed is None else composed
    shapes = Shapes()
    values = 0
    too_much = _too_many_signs(files)
    lock_file = f"{source.subdir}/{LOCK_NAME}" if source.subdir else LOCK_NAME
    documents: list[Document] = []
    unread: list[str] = [] if whole_tree else [""]
    unread_bytes = 0
    lock: dict[str, LockEntry] = {}
    sealed: dict[str, Sealed] = {}
    for name in sorted(files):
        content = files[name]
        report_private((name,), content, found)
        if too_much:
            continue
        if is_sealed(name):
            sealed[name] = read_sealed(name, content, found)
            continue
        if (name, content) not in composed:
            own = Diagnostics()
            composed[name, content] = (*shapes.compose(content, name, own), tuple(own))
        of_file, whole, findings = composed[name, content]
        found.extend(findings)
        values += sum(document.values for document in of_file)
        if values > TREE_VALUES:
            too_much = name, f"more than {TREE_VALUES:,} keys and values"
            continue
        if not whole:
            unread_bytes += len(content)
            # Of so much that it is not searched, nothing has to be kept.
            unread = [*unread, content.decode(errors="replace")] if unread_bytes <= MOST_UNREAD else [""]
        if name == lock_file:
            lock = _read_lock(of_file, found)
        elif of_file or not whole:
            documents += of_file
        else:
            found.warning("file-empty", Location(name), "the file has no document")
    if too_much:
        name, what = too_much
        message = f"{what} in all files up to this one; none of them is read"
        found.error("tree-too-large", Location(name), message)
        documents, lock, sealed, unread = [], {}, {}, [""]
    return Loaded(
        tuple(documents), tuple(found), source, digest_of(files), lock_file, lock, tuple(unread), sealed
    )


def digest_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the names and bytes of all files, as hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return digest.hexdigest()


_SIGNS = (b",", b"[", b"{", b": ", b":\n", b":\r", b":\t", b'":', b"- ", b"-\n", b"-\t", b"? ")
"""Where a key or a value begins (yaml.org/spec/1.2.2, section 5.3). What a hostile file packs densest
has three of those for each sign, a document of the format about one."""


def _too_many_signs(files: Mapping[str, bytes]) -> tuple[str, str] | None:
    """The first file with which a tree has too much to read, and why: found by counting bytes, which takes a
    thousandth of the time that composing takes, and no memory."""
    total = 0
    for name in sorted(files):
        if not name.endswith(SEALED_BY_AGE):
            total += sum(map(files[name].count, _SIGNS))
        if total > TREE_VALUES:
            signs = "signs that begin a key or a value (`: `, `- `, `,`, `[`, `{`)"
            return name, f"more than {TREE_VALUES:,} {signs}"
    return None


_RESTORE = "restore the line from Git; without it `tunnelwright allocate` gives the VIP another address"


def _read_lock(documents: list[Document], found: Diagnostics) -> dict[str, LockEntry]:
    """VIP name -> assigned address, from the one document of the lock file."""
    entries: dict[str, LockEntry] = {}
    for document in documents:
        if document.index > 0 or not isinstance(document.data, dict):
            found.error(
                "lock-malformed",
                document.locate(),
                "the lock file must be one mapping of VIP name to address",
                hint="restore the file from Git: a new one would give every VIP a new address",
            )
            continue
        for name, value in document.data.items():
            location = document.locate((name,))
            address = value if isinstance(value, str) and is_address(value) else None
            if address is None:
                found.error(
                    "lock-malformed", location, f"{quoted(value)} is not an IPv4 address", hint=_RESTORE
                )
            entries[name] = LockEntry(address, location)
    return entries
