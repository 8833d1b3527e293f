"""A folder, a Git revision or a stream -> documents with the position of every key and value."""

from reconciler.load.documents import Document, Loaded, LockEntry, Path, Source, dotted
from reconciler.load.reading import Composed
from reconciler.load.revision import load_revision
from reconciler.load.stream import STANDARD_INPUT, load_stream
from reconciler.load.tree import load_tree

__all__ = [
    "STANDARD_INPUT",
    "Composed",
    "Document",
    "Loaded",
    "LockEntry",
    "Path",
    "Source",
    "dotted",
    "load_revision",
    "load_stream",
    "load_tree",
]
