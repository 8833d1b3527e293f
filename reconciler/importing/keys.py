"""Where the documents of an import say that their keys are: both ends of a tunnel have one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from reconciler.importing.connection import Draft
from reconciler.model.fabric import Fabric, PskRef
from schemas.keys import KEY_FILE


def key_references(drafts: Mapping[str, Draft], fabric: Fabric) -> dict[str, PskRef]:
    """Document -> the reference to its key.

    Where the other end is described already, that is its reference. Where it is among `drafts`, both have one
    file, named after the lesser of the two, unless their keys are known to differ.
    """
    described = {(end.vip.address, end.peer_address): end.psk for end in fabric.tunnels.values()}
    ends = {(item.local_address, item.peer_address): name for name, item in drafts.items()}
    found = {}
    for name, item in drafts.items():
        back = (item.peer_address, item.local_address)
        other = ends.get(back, name)
        known = {key for key in (item.key, drafts[other].key) if key is not None}
        file = PskRef("file", f"{name if len(known) > 1 else min(name, other)}{KEY_FILE}")
        found[name] = described.get(back, file)
    return found


def written(reference: PskRef) -> dict[str, object]:
    """A reference as a document says it."""
    match reference.source:
        case "sops":
            return {"sops": {"file": reference.name, "field": reference.field}}
        case "vault":
            return {"vault": {"path": reference.name, "field": reference.field}}
        case "file" | "env" | "age":
            return {reference.source: reference.name}
        case _:
            assert_never(reference.source)
