"""One tunnel end in a vendor's syntax, and what the vendor cannot express. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.facets.connections import guarded_pairs
from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import IdType, IkeId, IkePolicy, Tunnel
from reconciler.model.secret import Secret
from reconciler.model.visible import visible
from reconciler.report.sheets.dialects import Dialect, Range
from schemas.algorithms import is_aead

# What every one of these command lines takes as it is, in quotes or without: `?` asks for help in them, and
# how they escape quotes, backslashes and `$` differs from release to release.
_ID = re.compile(r"[A-Za-z0-9._@+:/=,-]+")
_ID_CHARACTERS = "letters, digits and . _ @ + : / = , -"
_TABLE = "change the tunnel, or use `--format table`"


class Inexpressible(TunnelwrightError):
    """A vendor's configuration cannot say what the tunnel needs."""


@dataclass(frozen=True, slots=True)
class VendorValues:
    """What a vendor's template needs besides the tunnel. `notes` says where a value is not the tunnel's."""

    name: str
    ike_encryption: str
    ike_integrity: str
    """With an AEAD cipher the PRF."""
    ike_lifetime: int
    esp_encryption: str
    esp_integrity: str
    """Empty with an AEAD cipher."""
    esp_lifetime: int
    dpd_delay: int
    key: str
    notes: tuple[str, ...]


def vendor_values(end: Tunnel, dialect: Dialect, key: Secret | None) -> VendorValues:
    """Raises Inexpressible with all that the vendor lacks."""
    ike, esp = end.ike, end.esp
    said = dialect.no_key if key is None else dialect.key(key.reveal())
    lacking = [*_lacking(end, dialect)]
    if said is None:
        lacking.append(
            "the key has bytes, or a length, that cannot be entered there; only printable ASCII is "
            "accepted without spaces, quotes and ?"
        )
    lifetimes = [
        ("IKE lifetime", ike.lifetime, dialect.ike_lifetime),
        ("ESP lifetime", esp.lifetime, dialect.esp_lifetime),
    ]
    if ike.version == 1:
        # A responder may refuse a longer lifetime than its own (RFC 2407, section 4.5.4).
        lacking += [
            f"the {what} of {value} s is negotiated with IKEv1, and the range there is {low} to {high} s"
            for what, value, (low, high) in lifetimes
            if not low <= value <= high
        ]
    if lacking or said is None:
        raise Inexpressible(
            f"{dialect.title} cannot express this tunnel: {'; '.join(lacking)}",
            hint=_TABLE,
        )
    dpd = [("DPD delay", ike.dpd_delay, dialect.dpd_delay)] if ike.dpd_enabled else []
    prf = is_aead(ike.encryption)
    return VendorValues(
        name=_short(end.name, dialect.name_length),
        ike_encryption=dialect.ike_encryption[ike.encryption],
        ike_integrity=(dialect.ike_prf if prf else dialect.ike_integrity)[ike.integrity],
        ike_lifetime=_within(ike.lifetime, dialect.ike_lifetime),
        esp_encryption=dialect.esp_encryption[esp.encryption],
        esp_integrity="" if is_aead(esp.encryption) else dialect.esp_integrity[esp.integrity],
        esp_lifetime=_within(esp.lifetime, dialect.esp_lifetime),
        dpd_delay=_within(ike.dpd_delay, dialect.dpd_delay),
        key=said,
        notes=(
            *(
                f"{what}: {low} to {high} s are possible here, so {_within(value, (low, high))} s stand "
                f"for the {value} s of our end. The two ends need not agree."
                for what, value, (low, high) in (*lifetimes, *dpd)
                if not low <= value <= high
            ),
            *_pair_notes(end, dialect),
        ),
    )


def check_showable(end: Tunnel) -> None:
    """Raises Inexpressible for an ID that swanctl.conf could hold and no output can show as it is, and for a
    name that is not one word."""
    hidden = [f"the name {end.name!r} is not one word"] if _ID.fullmatch(end.name) is None else []
    hidden += [
        f"the ID {identity.value!r} contains invisible characters, or a command to CI runners"
        for identity in (end.local_id, end.peer_id)
        if visible(identity.value) != identity.value
    ]
    if hidden:
        raise Inexpressible("; ".join(hidden), hint=_TABLE)


def _lacking(end: Tunnel, dialect: Dialect) -> Iterator[str]:
    """What the tunnel needs and the vendor does not have."""
    ike, esp = end.ike, end.esp
    if _ID.fullmatch(end.name) is None:
        yield f"the name {end.name!r} is not one word"
    if ike.encryption not in dialect.ike_encryption:
        yield f"no {ike.encryption} for IKE"
    if is_aead(ike.encryption):
        yield from _lacking_prf(ike, dialect)
    elif ike.integrity not in dialect.ike_integrity:
        yield f"no {ike.integrity} for IKE"
    if ike.dh_group not in dialect.groups:
        yield f"no DH group {ike.dh_group} for IKE"
    if esp.encryption not in dialect.esp_encryption:
        yield f"no {esp.encryption} for ESP"
    if not is_aead(esp.encryption) and esp.integrity not in dialect.esp_integrity:
        yield f"no {esp.integrity} for ESP"
    if esp.pfs_group is not None and esp.pfs_group not in dialect.groups:
        yield f"no DH group {esp.pfs_group} for PFS"
    for identity in (end.local_id, end.peer_id):
        if not _typable(identity):
            yield f"the ID {identity.value!r} cannot be entered there safely; {_ID_CHARACTERS} can"
    if ike.version == 1 and end.local_id.type is IdType.FQDN and not dialect.chosen_ikev1_name:
        yield (
            "with IKEv1 it only uses its own host name as a name: its ID must be an address or an e-mail form"
        )


def _lacking_prf(ike: IkePolicy, dialect: Dialect) -> Iterator[str]:
    only = dialect.fixed_prf.get(ike.encryption, ike.integrity)
    if ike.integrity not in dialect.ike_prf:
        yield f"no PRF {ike.integrity} for IKE"
    elif ike.integrity != only:
        yield f"no PRF but {only} with {ike.encryption} for IKE"


def _typable(identity: IkeId) -> bool:
    return _ID.fullmatch(identity.value) is not None


def _pair_notes(end: Tunnel, dialect: Dialect) -> Iterator[str]:
    if end.ike.version == 2 and not dialect.lists and len(guarded_pairs(end)) > 1:
        yield (
            "Each pair of networks has a separate CHILD_SA here. Our end offers all pairs together and "
            "accepts the one in the answer; the next pair follows with its first packet."
        )


def _within(value: int, allowed: Range) -> int:
    return min(max(value, allowed[0]), allowed[1])


def _short(name: str, length: int) -> str:
    """A name that fits, its own if it does: else its beginning with a digest."""
    if len(name) <= length:
        return name
    return f"{name[: length - 5]}-{hashlib.sha256(name.encode()).hexdigest()[:4]}"
