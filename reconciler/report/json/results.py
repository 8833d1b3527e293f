"""What commands find or do that is no event, as JSON objects: one function for each type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reconciler.facets.connections import guarded_pairs
from reconciler.load import Path, dotted
from reconciler.model.diagnostic import Location
from reconciler.model.explanation import Explained
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.report.json.diagnostics import place_object
from reconciler.report.settings_text import Said
from schemas.algorithms import esp_proposal, ike_proposal


def valid_object(fabric: Fabric, documents: int, digest: str) -> dict[str, Any]:
    """A desired state without errors: what it holds, and the digest of its files."""
    return {
        "type": "valid",
        "routers": len(fabric.routers),
        "tunnels": len(fabric.tunnels),
        "documents": documents,
        "digest": digest,
    }


def explained_object(tunnel: str, value: Explained) -> dict[str, Any]:
    """An effective value of a tunnel end, with the document that says it and its place there."""
    return {
        "type": "explained",
        "tunnel": tunnel,
        "field": value.field,
        "value": value.value,
        "document": value.document,
        **(place_object(value.location) if value.location is not None else {}),
    }


def transit_object(router: str, passing: int, pairs: int) -> dict[str, Any]:
    """A router through which traffic of others passes, with its pairs of networks."""
    return {"type": "transit", "router": router, "passing": passing, "pairs": pairs}


def written_object(file: str) -> dict[str, Any]:
    """A file that a command has written."""
    return {"type": "written", "file": file}


def graph_object(mermaid: str) -> dict[str, Any]:
    """The fabric as a flowchart."""
    return {"type": "graph", "mermaid": mermaid}


def allocation_object(addresses: Mapping[str, str], changes: Sequence[str]) -> dict[str, Any]:
    """VIP to address, and how that differs from the lock file."""
    return {"type": "allocation", "addresses": dict(addresses), "changes": list(changes)}


def note_object(text: str) -> dict[str, Any]:
    """What a preview cannot know."""
    return {"type": "note", "text": text}


def preview_object(base: str | None, head: str | None) -> dict[str, Any]:
    """The two revisions of a preview."""
    return {"type": "preview", "base": base, "head": head}


def rollback_object(undoes: str, commit: str | None, branch: str | None) -> dict[str, Any]:
    """A branch that undoes a commit; None where there is none."""
    return {"type": "rollback", "undoes": undoes, "commit": commit, "branch": branch}


def apply_summary_object(*, converged: bool) -> dict[str, Any]:
    """How an apply ended."""
    return {"type": "apply_summary", "converged": converged}


def diagnosis_summary_object(tunnels: Sequence[str], findings: int) -> dict[str, Any]:
    """Which tunnel ends were diagnosed, and how many causes were found."""
    return {"type": "diagnosis_summary", "tunnels": list(tunnels), "findings": findings}


def imported_object(router: str, connection: str, tunnel: str, file: str) -> dict[str, Any]:
    """A connection with its new document."""
    return {
        "type": "imported",
        "router": router,
        "connection": connection,
        "tunnel": tunnel,
        "file": file,
    }


def updated_object(document: str, path: Path, after: object) -> dict[str, Any]:
    """A field of the document of that name that an import has changed."""
    return {"type": "updated", "tunnel": document, "path": dotted(("spec", *path)), "after": after}


def skipped_object(router: str, connection: str, location: Location, reason: str) -> dict[str, Any]:
    """A connection that was not imported."""
    return {
        "type": "skipped",
        "router": router,
        "connection": connection,
        **place_object(location),
        "reason": reason,
    }


def identity_object(
    recipients: Sequence[str], sealed_before: Sequence[str], *, created: bool
) -> dict[str, Any]:
    """The identity of `secret init`, and the key files that it cannot decrypt yet."""
    return {
        "type": "secret",
        "action": "init",
        "recipients": list(recipients),
        "created": created,
        "sealed_before": list(sealed_before),
    }


def key_file_object(action: str, file: str, recipients: int | None = None) -> dict[str, Any]:
    """A key file that was written; `recipients` is how many can decrypt it, None where it is unknown."""
    rest = {} if recipients is None else {"recipients": recipients}
    return {"type": "secret", "action": action, "file": file, **rest}


def document_object(place: Location, data: Mapping[str, Any]) -> dict[str, Any]:
    """A document to which the tree expands, with the place of what it was written as."""
    return {"type": "document", "file": place.file, "line": place.line, "document": data}


def converted_object(connection: str, file: str, tunnels: Sequence[str], *, written: bool) -> dict[str, Any]:
    """A connection that two documents have become."""
    return {
        "type": "converted",
        "connection": connection,
        "file": file,
        "tunnels": list(tunnels),
        "written": written,
    }


def setting_objects(said: Sequence[Said]) -> Iterator[dict[str, Any]]:
    """One object for each setting of the service."""
    for path, value, where in said:
        yield {"type": "setting", "setting": path, "value": value, "from": str(where)}


def ready_object(commit: str, branch: str, *, routers: int, tunnels: int, keys: int) -> dict[str, Any]:
    """What a service would begin with."""
    return {
        "type": "ready",
        "commit": commit,
        "branch": branch,
        "routers": routers,
        "tunnels": tunnels,
        "keys": keys,
    }


def page_object(address: str) -> dict[str, Any]:
    """Where a browser finds the page."""
    return {"type": "page", "address": address}


def sheet_object(end: Tunnel, remarks: Sequence[str], form: str, text: str | None) -> dict[str, Any]:
    """A peer sheet without the key; `local` is the end of its reader. `text` is the sheet itself, None where
    that was written to a file."""
    return {
        "type": "peer_sheet",
        "tunnel": end.name,
        "local_address": end.vip.address,
        "peer_address": end.peer_address,
        "local_id": asdict(end.local_id),
        "peer_id": asdict(end.peer_id),
        "local_cidrs": list(end.local_cidrs),
        "peer_cidrs": list(end.peer_cidrs),
        "selector_pairs": [list(pair) for pair in guarded_pairs(end)],
        "ike": {
            **asdict(end.ike),
            "proposal": ike_proposal(end.ike.encryption, end.ike.integrity, end.ike.dh_group),
        },
        "esp": {
            **asdict(end.esp),
            "proposal": esp_proposal(end.esp.encryption, end.esp.integrity, end.esp.pfs_group),
        },
        "remarks": list(remarks),
        "format": form,
        **({} if text is None else {"text": text}),
    }
