"""A peer refuses a change: the tunnel goes on with its former configuration, which the peer had agreed to. So
what the change has changed is to blame, and of that what the peer's word is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.diagnosis import log_lines
from reconciler.diagnosis.evidence import End, Evidence
from reconciler.diagnosis.finding import Finding, found
from reconciler.facets.connections import same_value
from reconciler.facets.files import WrittenFile, file_name
from reconciler.model.router_config import Connection
from reconciler.model.swanctl import Settings, Value, flatten

_KEY: Final = "authentication.key"
_FIELDS: Final = {
    "proposals": "ike",
    "esp_proposals": "ipsec",
    "version": "ike.version",
    "local.id": "identity.local",
    "remote.id": "identity.peer",
    "local_ts": "source",
    "remote_ts": "peer.cidrs",
    "local_addrs": "vip",
    "remote_addrs": "peer.address",
}
"""Settings that two peers have to agree on, with the field that each comes from."""
_KINDS: Final = {"encryption": "encryption", "integrity": "integrity", "prf": "integrity"}


def refused_change(evidence: Evidence) -> Iterator[Finding]:
    """The peer has refused a change that this end has tried, and the tunnel runs on without it."""
    for end in evidence.ends:
        words = refusal_of(end)
        if words and end.connection is not None and end.children:
            verdict, about = _verdict(words)
            changed = _changed(end, end.connection)
            blamed = {path: values for path, values in changed.items() if path.startswith(about)} or changed
            listed = ", ".join(f"{path} ({before} -> {after})" for path, (before, after) in blamed.items())
            listed = listed or "settings that no document has"
            what = (
                f"the peer answers {verdict} to the change of {listed}"
                if verdict
                else f"the change of {listed} does not come up with the peer"
            )
            yield found(
                "change-refused",
                end.tunnel,
                next(iter(blamed)) if blamed else "peer.address",
                f"{what}; the tunnel goes on with its former configuration",
                seen=[words],
                hint="agree on it with the peer's administrator, or revert it in Git; then run "
                "`tunnelwright apply`",
            )


def refusal_of(end: End) -> str:
    """charon's words when the change that Git wants now was tried last and refused; empty without any."""
    if end.state is None or end.connection is None:
        return ""
    return _file(end, end.connection).refusal(end.connection)


def _file(end: End, connection: Connection) -> WrittenFile:
    return WrittenFile(end.state.files.get(file_name(connection.name)) if end.state is not None else None)


def _verdict(words: str) -> tuple[str, tuple[str, ...]]:
    """What the peer has answered, if anything, and the fields that such an answer is about."""
    if log_lines.REFUSED_AUTH.search(words):
        return "AUTHENTICATION_FAILED", (_KEY, "identity.")
    refused = log_lines.REFUSED_TS.search(words)
    if refused:
        return refused[1], ("source", "peer.cidrs")
    if log_lines.REFUSED_IKE.search(words):
        return "NO_PROPOSAL_CHOSEN", ("ike",)
    if log_lines.REFUSED_ESP.search(words):
        return "NO_PROPOSAL_CHOSEN", ("ipsec",)
    return "", ("",)


def _changed(end: End, connection: Connection) -> dict[str, tuple[str, str]]:
    """The fields that the change has changed, with what the router's file has and what is desired. A key is
    shown by its id, which has its fingerprint."""
    written = _file(end, connection)
    former = dict(_agreed(written.loaded_last(connection.name) or {}))
    found: dict[str, tuple[str, str]] = {}
    if connection.secret.id not in written.secret_ids:
        found[_KEY] = (", ".join(sorted(written.secret_ids)) or "none", connection.secret.id)
    for path, value in _agreed(connection.settings):
        before = former.get(path)
        if before is not None and not same_value(path, before, value):
            field = _FIELDS[_setting(path)]
            found[_precise(field, before, value)] = _shown(before), _shown(value)
    return found


def _agreed(settings: Settings) -> Iterator[tuple[str, Value]]:
    return ((path, value) for path, value in flatten(settings) if _setting(path) in _FIELDS)


def _setting(path: str) -> str:
    """A setting without the name of its child: `children.net.local_ts` is `local_ts`."""
    return path.rpartition(".")[2] if path.startswith("children.") else path


def _precise(field: str, before: Value, after: Value) -> str:
    """The algorithm of a proposal that has changed, where it is one."""
    if field not in {"ike", "ipsec"}:
        return field
    kinds = log_lines.incompatible(log_lines.configured(_shown(before)), log_lines.configured(_shown(after)))
    group = "dhGroup" if field == "ike" else "pfs"
    names = dict.fromkeys(_KINDS.get(kind, group) for kind in kinds)
    return f"{field}.{next(iter(names))}" if len(names) == 1 else field


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else ", ".join(value)
