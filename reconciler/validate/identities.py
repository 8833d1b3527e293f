"""IKE IDs: from the text in the document to a type and a value, alike at both ends."""

from __future__ import annotations

from reconciler.facets.secrets import can_own
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import IdType, IkeId
from reconciler.model.quoting import quoted
from reconciler.validate.catalog import Item
from schemas.addresses import is_address
from schemas.tunnel import TunnelEndSpec


def name_id(text: str) -> IkeId:
    """An ID given as a name. `@` at the start makes any text a name, as in strongSwan; without it, an
    address is an address, and text with `@` inside has the e-mail form."""
    if text.startswith("@"):
        return IkeId(IdType.FQDN, text[1:])
    if is_address(text):
        return IkeId(IdType.IP, text)
    return IkeId(IdType.EMAIL if "@" in text else IdType.FQDN, text)


def resolve_ids(
    item: Item[TunnelEndSpec], vip_address: str, peer_address: str, found: Diagnostics
) -> tuple[IkeId, IkeId]:
    """Local and peer ID of a tunnel. Findings are reported as `invalid-id`."""
    identity = item.spec.identity
    ids = []
    for field, text, default in (
        ("local", identity.local, vip_address),
        ("peer", identity.peer, peer_address),
    ):
        if identity.type == "ip":
            if text is not None and not is_address(text):
                item.error(
                    found,
                    "invalid-id",
                    f"{quoted(text)} is not an IPv4 address, and the ID is configured as an address",
                    "identity",
                    field,
                    hint="write `type: name`",
                )
            ids.append(IkeId(IdType.IP, text or default))
            continue
        if text == "@":
            item.error(found, "invalid-id", "there is no name after the @", "identity", field)
        ids.append(name_id(text or default))
        if not can_own(ids[-1]):
            item.error(
                found,
                "invalid-id",
                "the ID is too long for an ID that begins with # or is not ASCII: strongSwan reads it as "
                "hexadecimal digits, at most 255 characters with its type",
                "identity",
                field,
                hint="use ASCII, or an ID of at most 123 bytes as UTF-8",
            )
    return ids[0], ids[1]
