"""The fields of a connection, and its fabric -> the text of a document. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ruamel.yaml.comments import CommentedSeq

from reconciler.importing.connection import Draft
from reconciler.importing.keys import written
from reconciler.importing.yaml_text import yaml_text
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import DesiredRouter, IdType, IkeId, PskRef
from reconciler.model.router_config import PREFIX
from reconciler.model.visible import visible
from schemas.base import API_VERSION
from schemas.keys import KEY_FILE
from schemas.tunnel import ADOPTS


def document_name(connection: str, taken: Collection[str]) -> str:
    """A document's name like the connection's, unlike those that are taken."""
    plain = re.sub(r"[^a-z0-9]+", "-", connection.removeprefix(PREFIX).lower()).strip("-")[:60] or "tunnel"
    number = 1
    while (name := plain if number == 1 else f"{plain}-{number}") in taken:
        number += 1
    return name


def render(
    item: Draft,
    name: str,
    router: DesiredRouter,
    vip: Mapping[str, object] | None,
    found: Diagnostics,
    *,
    key: PskRef | None = None,
    unmanaged: bool = False,
) -> str | None:
    """The document's text, with that `vip`; None when the fabric lacks what it would refer to, which is in
    `found`. Of a peer whose address looks like one of ours it has to say when it is `unmanaged`. Without
    `key` the document has a file of its own."""
    networks = [attached.network for attached in router.vpc if attached.cidr in item.local_cidrs]
    missing = set(item.local_cidrs) - {attached.cidr for attached in router.vpc}
    for cidr in sorted(missing):
        found.error(
            "import-refused",
            item.place("source"),
            f"{cidr} is not a VPC network that the router {router.name!r} is attached to",
            hint="describe it as a VpcNetwork, and attach the router to it in its document",
        )
    if vip is None:
        found.error(
            "import-refused",
            item.place("vip"),
            f"{item.local_address} is not in a public network that the router {router.name!r} is attached to",
            hint="describe it as a PublicNetwork, and attach the router to it in its document",
        )
    said = (item.connection, item.local_id.value, item.peer_id.value)
    hidden = [words for words in said if visible(words) != words]
    for words in hidden:
        found.error(
            "import-refused",
            item.location,
            f"{words!r} contains invisible characters, or a command to CI runners",
            hint="rename the connection and its IDs with visible characters",
        )
    if missing or vip is None or hidden:
        return None
    ours = item.connection.startswith(PREFIX)
    metadata = {"name": name} | ({} if ours else {"annotations": {ADOPTS: item.connection}})
    body = {
        "apiVersion": API_VERSION,
        "kind": "IPsecTunnel",
        "metadata": metadata,
        "spec": {
            "router": router.name,
            "vip": dict(vip),
            "peer": {
                "address": item.peer_address,
                **({"managed": False} if unmanaged else {}),
                "cidrs": _flow(item.peer_cidrs),
            },
            "source": {"networks": _flow(networks)},
            "authentication": {"mode": "psk", "key": written(key or PskRef("file", f"{name}{KEY_FILE}"))},
            "identity": identity_spec(item),
            "ike": {
                "version": item.version,
                "encryption": item.ike.encryption,
                "integrity": item.ike.integrity or "sha256",
                "dhGroup": item.ike.group,
                "lifetime": item.ike_lifetime,
                "dpd": {
                    "enabled": item.dpd_delay > 0,
                    **({"delay": item.dpd_delay, "action": item.dpd_action} if item.dpd_delay else {}),
                },
            },
            "ipsec": {
                "encryption": item.esp.encryption,
                **({"integrity": item.esp.integrity} if item.esp.integrity else {}),
                "pfs": f"dh-group{item.esp.group or 0}",
                "lifetime": item.esp_lifetime,
            },
        },
    }
    return yaml_text(body, indented=False)


def identity_spec(item: Draft) -> dict[str, str]:
    """`spec.identity` of a connection."""
    if item.local_id.type is IdType.IP and item.peer_id.type is IdType.IP:
        return {"type": "ip", "local": item.local_id.value, "peer": item.peer_id.value}
    return {"type": "name", "local": _name(item.local_id), "peer": _name(item.peer_id)}


def _name(identity: IkeId) -> str:
    """An ID as a document says it: `@` makes a name of what would be read as something else."""
    other = identity.type is IdType.FQDN and (
        "@" in identity.value or re.fullmatch(r"[0-9.]+", identity.value)
    )
    return f"@{identity.value}" if other else identity.value


def _flow(values: Collection[str]) -> CommentedSeq:
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence
