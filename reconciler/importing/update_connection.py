"""Both ends of a connection as their routers have them -> what to change in its document. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.importing.connection import Draft
from reconciler.importing.joining import LOCAL
from reconciler.importing.update import Edit
from reconciler.load import Document, Path
from reconciler.model.fabric import IkeId
from reconciler.validate.connections import place_in_connection

_OF_THE_OTHER_END = frozenset({("peer", "cidrs"), ("identity", "peer"), ("identity", "type")})
"""What the document has at the other end."""
_ADDRESS = ("peer", "address")


@dataclass(frozen=True, slots=True)
class EndOnRouter:
    """One end as its router has it."""

    end: int
    """Which of the ends that the document lists."""
    draft: Draft
    edits: Sequence[Edit]
    """Where it differs, as fields of an IPsecTunnel."""


def joint_edits(ends: Sequence[EndOnRouter], document: Document) -> list[Edit] | None:
    """What to change in the document of a connection so that it says what both of its ends are; None where
    that cannot be said: they do not match, only one was read and differs in more than is its own, or a peer
    has another address."""
    own = all(edit.path[:2] in LOCAL for end in ends for edit in end.edits)
    if not own and not (len(ends) == 2 and _match(ends[0].draft, ends[1].draft)):
        return None
    if any(edit.path == _ADDRESS for end in ends for edit in end.edits):
        return None
    found: dict[Path, Edit] = {}
    for end in ends:
        for edit in end.edits:
            if edit.path not in _OF_THE_OTHER_END:
                others = [other.edits for other in ends if other is not end]
                path = _place(edit, end.end, document, alike=any(edit in edits for edits in others))
                found[path] = replace(edit, path=path)
    return list(found.values())


def _place(edit: Edit, end: int, document: Document, *, alike: bool) -> Path:
    """Where the document has a field of one end. What may differ is the end's own unless both are `alike`."""
    own: Path = ("ends", end, *edit.path)
    if edit.path[:2] in LOCAL and (not alike or document.holds(("spec", *own))):
        return own
    return place_in_connection(("spec", *edit.path), end)[1:]


def _match(one: Draft, other: Draft) -> bool:
    """Whether two ends are those of one tunnel: what is negotiated is alike, the rest is mirrored."""
    negotiated = ((item.version, item.ike, item.esp) for item in (one, other))
    return len({*negotiated}) == 1 and all(
        (
            here.local_address == there.peer_address
            and {*here.local_cidrs} == {*there.peer_cidrs}
            and _same_id(here.local_id, there.peer_id)
        )
        for here, there in ((one, other), (other, one))
    )


def _same_id(one: IkeId, other: IkeId) -> bool:
    return (one.type, one.value.lower()) == (other.type, other.value.lower())
