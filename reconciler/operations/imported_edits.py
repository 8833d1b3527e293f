"""Tunnel ends that were changed on their routers -> the documents that an import edits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.importing import Draft
from reconciler.importing.update import Edit, FormattingLost, edited
from reconciler.importing.update_connection import EndOnRouter, joint_edits
from reconciler.load import Document, Loaded
from reconciler.model.diagnostic import Location
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import Origin, Tunnel


@dataclass(frozen=True, slots=True)
class Skipped:
    """A connection that is left as it is, and why."""

    router: str
    connection: str
    location: Location
    reason: str

    def __str__(self) -> str:
        return f"{self.location}: {self.connection}: skipped, {self.reason}"


@dataclass(frozen=True, slots=True)
class Described:
    """A connection that is a tunnel end of the desired state, and where the two differ."""

    tunnel: Tunnel
    draft: Draft
    """Its places are as a reader finds them."""
    edits: Sequence[Edit]
    """Fields of an IPsecTunnel."""

    def skipped(self, reason: str) -> Skipped:
        """That it is left as it is, with what differs."""
        words = "; ".join(map(str, self.edits))
        return Skipped(self.tunnel.router, self.draft.connection, self.draft.location, f"{reason} ({words})")


@dataclass(frozen=True, slots=True)
class EditedDocument:
    """A document of the tree with what changes in it."""

    name: str
    file: str
    """As loading names it."""
    index: int
    edits: Sequence[Edit]


def edited_documents(
    described: Iterable[Described], loaded: Loaded
) -> tuple[tuple[EditedDocument, ...], list[Skipped]]:
    """The documents to edit, so that they have what the routers have, and the connections that stay."""
    documents = {(item.kind, item.name): item for item in loaded.documents}
    skipped: list[Skipped] = []
    done: list[EditedDocument] = []
    shared: dict[Origin, list[Described]] = {}
    for item in described:
        origin = item.tunnel.origin
        if origin is None and item.edits:
            done.append(_edited(documents["IPsecTunnel", item.tunnel.name], item.edits))
        elif origin is not None:
            shared.setdefault(Origin(origin.kind, origin.name, topology=origin.topology), []).append(item)
    for origin, items in shared.items():
        changed = [item for item in items if item.edits]
        document = None if origin.topology else documents.get((origin.kind, origin.name))
        if not changed:
            continue
        edits = joint_edits([*_ends(items)], document) if document is not None else None
        if document is not None and edits is not None:
            done.append(_edited(document, edits))
            continue
        reason = (
            f"it is an end of the topology {origin.topology}, which an import does not edit"
            if document is None
            else f"the connection {origin.name} cannot say what its ends are on their routers"
        )
        skipped += [item.skipped(reason) for item in changed]
    return tuple(done), skipped


def _ends(items: Iterable[Described]) -> Iterator[EndOnRouter]:
    for item in items:
        if item.tunnel.origin is not None:
            yield EndOnRouter(item.tunnel.origin.end, item.draft, item.edits)


def _edited(document: Document, edits: Sequence[Edit]) -> EditedDocument:
    return EditedDocument(str(document.name), document.file, document.index, edits)


def edited_files(tree: Path, documents: Iterable[EditedDocument]) -> Mapping[str, str]:
    """File, as loading names it -> its text with the edits.

    Raises TunnelwrightError for one whose formatting would not survive.
    """
    by_file: dict[str, list[tuple[int, Sequence[Edit]]]] = {}
    for item in documents:
        by_file.setdefault(item.file, []).append((item.index, item.edits))
    texts = {}
    for file, changes in by_file.items():
        try:
            texts[file] = edited((tree / file).read_text(encoding="utf-8"), changes)
        except FormattingLost as error:
            words = "; ".join(str(edit) for _, part in changes for edit in part)
            raise TunnelwrightError(f"{tree / file}: {error} ({words}); nothing was written") from error
    return texts
