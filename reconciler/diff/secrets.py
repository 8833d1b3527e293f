"""The facet `secrets` of one tunnel end: its key. Part of its resource."""

from __future__ import annotations

from reconciler.diff.tunnel_end import TunnelEnd
from reconciler.facets import secrets
from reconciler.model.swanctl import UNOBSERVABLE, Change


def compare(end: TunnelEnd) -> tuple[Change, ...]:
    """How a tunnel's key differs. Its id in charon carries the key's fingerprint; its owners, and whether
    the key under that id is the right one, are known from the router's file alone."""
    wanted, there = end.connection.secret, end.loaded_keys
    digest = secrets.digest_of(wanted.id)
    old = [secrets.digest_of(secret_id) for secret_id in there if secret_id != wanted.id]
    if wanted.id not in there:
        return (Change("psk", old[0] if old else None, digest, "vici"),)
    changes = [Change("psk.retired", retired, None, "vici") for retired in old]
    if end.file_is_right:
        return tuple(changes)
    written = end.file.secret(wanted)
    if written is None or not written.right:
        changes.append(Change("psk", UNOBSERVABLE, digest, "file"))
    elif written.owners != wanted.owners:
        changes.append(Change("psk.owners", written.owners, wanted.owners, "file"))
    return tuple(changes)
