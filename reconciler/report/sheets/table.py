"""A tunnel's other end as a table for people."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from reconciler.facets.connections import guarded_pairs
from reconciler.model.fabric import IdType, IkeId, Tunnel
from reconciler.model.secret import Secret
from reconciler.model.visible import visible
from reconciler.report.line import Line
from reconciler.report.sheets.dialects import PLACEHOLDER
from schemas.algorithms import esp_proposal, ike_proposal, is_aead

# As RFC 7296, section 3.5, and RFC 2407, section 4.6.2.1, call them.
_ID_TYPES = {
    IdType.IP: "address (ID_IPV4_ADDR)",
    IdType.FQDN: "name (ID_FQDN)",
    IdType.EMAIL: "e-mail form (ID_RFC822_ADDR, ID_USER_FQDN)",
}


def table_lines(end: Tunnel, remarks: Iterable[str] = (), key: Secret | None = None) -> Iterator[Line]:
    """One line a value; what is `yours` belongs to the reader's end."""
    yield Line(f"The end {end.vip.address} of the tunnel {end.name}", "bold")
    yield from (Line(f"! {remark}", "yellow") for remark in remarks)
    for title, rows in _sections(end, key):
        yield Line()
        yield Line(title, "bold")
        yield from (Line(f"  {name:<24}  {value}") for name, value in rows)


Rows = list[tuple[str, str]]


def _sections(end: Tunnel, key: Secret | None) -> Iterator[tuple[str, Rows]]:
    ike, esp = end.ike, end.esp
    mode = "IKEv2" if ike.version == 2 else "IKEv1, main mode"
    yield (
        "Ends",
        [
            ("your address", end.vip.address),
            ("our address", end.peer_address),
            ("your ID", _id(end.local_id)),
            ("our ID", _id(end.peer_id)),
            ("pre-shared key", PLACEHOLDER if key is None else _readable(key.reveal())),
            *([] if key is None else [("the same in base64", base64.b64encode(key.reveal()).decode())]),
        ],
    )
    yield (
        "Networks",
        [
            ("your networks", ", ".join(end.local_cidrs)),
            ("our networks", ", ".join(end.peer_cidrs)),
            *(
                (f"selector pair {number}", f"{local} === {remote}")
                for number, (local, remote) in enumerate(guarded_pairs(end), start=1)
            ),
        ],
    )
    aead = is_aead(ike.encryption)
    yield (
        "IKE (phase 1)",
        [
            ("version", mode),
            ("authentication", "pre-shared key"),
            ("encryption", ike.encryption),
            ("PRF" if aead else "integrity and PRF", ike.integrity),
            ("DH group", str(ike.dh_group)),
            ("proposal in strongSwan", ike_proposal(ike.encryption, ike.integrity, ike.dh_group)),
            ("lifetime", f"{ike.lifetime} s"),
            ("dead peer detection", f"every {ike.dpd_delay} s" if ike.dpd_enabled else "off"),
        ],
    )
    integrity = [] if is_aead(esp.encryption) else [("integrity", esp.integrity)]
    yield (
        "IPsec (phase 2)",
        [
            ("protocol", "ESP"),
            ("mode", "tunnel"),
            ("routing", "policy-based"),
            ("encryption", esp.encryption),
            *integrity,
            ("PFS group", "none" if esp.pfs_group is None else str(esp.pfs_group)),
            ("proposal in strongSwan", esp_proposal(esp.encryption, esp.integrity, esp.pfs_group)),
            ("lifetime", f"{esp.lifetime} s"),
            ("children", _children(end)),
        ],
    )
    yield (
        "Firewall at your end",
        [
            (f"in from {end.peer_address}", "UDP 500, UDP 4500, ESP (IP protocol 50)"),
            ("between the networks", "forwarded, without source NAT"),
        ],
    )


def _id(identity: IkeId) -> str:
    return f"{identity.value}  {_ID_TYPES[identity.type]}"


def _readable(key: bytes) -> str:
    """The key itself where it can be copied from a line; a line end or a space at its edge could not."""
    text = key.decode(errors="replace")
    plain = visible(text) == text == text.strip() and "\ufffd" not in text
    return text if plain else "(cannot be written in one line: use the base64)"


def _children(end: Tunnel) -> str:
    return "one for each selector pair" if end.ike.version == 1 else "one with all networks"
