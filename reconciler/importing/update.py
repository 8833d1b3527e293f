"""A connection that has a document already -> what to change in it, and the file with that changed. Pure."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from reconciler.importing.connection import Draft
from reconciler.importing.documents import identity_spec
from reconciler.load import Path, dotted
from reconciler.model.fabric import DesiredRouter, Tunnel

_INDENTS = ((2, 2, 0), (2, 4, 2), (4, 4, 0), (4, 6, 4), (4, 6, 2))
"""How people indent: mapping, sequence, and its dash."""


class FormattingLost(Exception):
    """The file cannot be written again as it was."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One field of a document's spec: where, and what it is to say."""

    path: Path
    before: object
    after: object

    def __str__(self) -> str:
        return f"{dotted(('spec', *self.path))}: {_shown(self.before)} -> {_shown(self.after)}"


def differences(item: Draft, tunnel: Tunnel, router: DesiredRouter) -> Iterator[Edit]:
    """Where a connection says something else than its document, defaults included."""
    networks = {attached.cidr: attached.network for attached in router.vpc}
    pairs: list[tuple[Path, object, object]] = [
        (("peer", "address"), tunnel.peer_address, item.peer_address),
        (("ike", "version"), tunnel.ike.version, item.version),
        (("ike", "encryption"), tunnel.ike.encryption, item.ike.encryption),
        (("ike", "dhGroup"), tunnel.ike.dh_group, item.ike.group),
        (("ike", "lifetime"), tunnel.ike.lifetime, item.ike_lifetime),
        (("ike", "dpd", "enabled"), tunnel.ike.dpd_enabled, item.dpd_delay > 0),
        (("ipsec", "encryption"), tunnel.esp.encryption, item.esp.encryption),
        (("ipsec", "pfs"), f"dh-group{tunnel.esp.pfs_group or 0}", f"dh-group{item.esp.group or 0}"),
        (("ipsec", "lifetime"), tunnel.esp.lifetime, item.esp_lifetime),
    ]
    if item.ike.integrity:
        pairs.append((("ike", "integrity"), tunnel.ike.integrity, item.ike.integrity))
    if item.esp.integrity:
        pairs.append((("ipsec", "integrity"), tunnel.esp.integrity, item.esp.integrity))
    if item.dpd_delay:
        pairs.append((("ike", "dpd", "delay"), tunnel.ike.dpd_delay, item.dpd_delay))
        pairs.append((("ike", "dpd", "action"), tunnel.ike.dpd_action, item.dpd_action))
    if (tunnel.local_id, tunnel.peer_id) != (item.local_id, item.peer_id):
        spec = identity_spec(item)
        pairs += [
            (("identity", "type"), "", spec["type"]),
            (("identity", "local"), tunnel.local_id.value, spec["local"]),
            (("identity", "peer"), tunnel.peer_id.value, spec["peer"]),
        ]
    if set(tunnel.peer_cidrs) != set(item.peer_cidrs):
        pairs.append((("peer", "cidrs"), tunnel.peer_cidrs, item.peer_cidrs))
    if set(tunnel.local_cidrs) != set(item.local_cidrs):
        before, after = (
            tuple(networks.get(cidr, cidr) for cidr in cidrs)
            for cidrs in (tunnel.local_cidrs, item.local_cidrs)
        )
        pairs.append((("source", "networks"), before, after))
    return (Edit(path, before, after) for path, before, after in pairs if before != after)


def edited(text: str, changes: Iterable[tuple[int, Sequence[Edit]]]) -> str:
    """A file with fields of its documents (by index) changed; comments, order and quotes stay.

    Raises FormattingLost when the file as it is would not be written as it was.
    """
    yaml, documents = _understood(text)
    # Loading does not count documents with nothing in them.
    counted = [document for document in documents if document is not None]
    for index, edits in changes:
        for edit in edits:
            _set(counted[index]["spec"], edit.path, edit.after)
    return _dumped(yaml, documents)


def _understood(text: str) -> tuple[YAML, list[Any]]:
    for mapping, sequence, offset in _INDENTS:
        yaml = YAML()
        yaml.preserve_quotes = True
        yaml.width = 1_000_000
        yaml.explicit_start = text.lstrip().startswith("---")
        yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
        documents = list(yaml.load_all(text))
        if _dumped(yaml, documents) == text:
            return yaml, documents
    raise FormattingLost("its formatting would be lost: change it by hand")


def _dumped(yaml: YAML, documents: list[Any]) -> str:
    output = io.StringIO()
    yaml.dump_all(documents, output)
    return output.getvalue()


def _set(spec: CommentedMap, path: Path, value: object) -> None:
    for part in path[:-1]:
        if isinstance(part, str) and part not in spec:
            spec[part] = CommentedMap()
        spec = spec[part]
    old = spec.get(path[-1])
    if isinstance(value, tuple):
        sequence = CommentedSeq(value)
        if not isinstance(old, CommentedSeq) or old.fa.flow_style():
            sequence.fa.set_flow_style()
        value = sequence
    spec[path[-1]] = value


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, tuple) else str(value)
