"""One connection -> the fields of a document, or every reason why it cannot be expressed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.importing.children import Ike, has_only_shunts, read_children
from reconciler.importing.negotiated import agreed
from reconciler.importing.notation import (
    Algorithms,
    HeldKey,
    NotImportable,
    identity,
    matching,
    split_list,
)
from reconciler.importing.reader import Reader
from reconciler.importing.sources import Source
from reconciler.importing.vocabulary import IKE, LOCAL, REMOTE
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import IdType, IkeId
from reconciler.model.listing import counted
from reconciler.model.router_config import PREFIX, IkeSa
from reconciler.model.secret import Secret
from schemas.addresses import is_address
from schemas.algorithms import is_aead

_IKE_LIFETIME, _DPD_DELAY = (60, 604_800), (0, 86_400)
"""What the service allows, in seconds."""
_NOT_REPORTED = (
    "charon does not report its ports, encapsulation, marks, interfaces or scripts: none are assumed"
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a document would say. Lifetimes are in seconds; `key` is None if it is unknown."""

    connection: str
    location: Location
    version: int
    local_address: str
    peer_address: str
    local_id: IkeId
    peer_id: IkeId
    ike: Algorithms
    ike_lifetime: int
    dpd_delay: int
    dpd_action: str
    esp: Algorithms
    esp_lifetime: int
    local_cidrs: tuple[str, ...]
    peer_cidrs: tuple[str, ...]
    key: Secret | None
    places: Mapping[str, Location]
    """Field of the document, without `spec.` -> where the connection says it."""

    def place(self, path: str) -> Location:
        """Where the connection says what a document has at a dotted path (`spec.peer.cidrs[0]`)."""
        words = path.removeprefix("spec.").partition("[")[0].split(".")
        fields = (".".join(words[:length]) for length in range(len(words), 0, -1))
        return next((self.places[field] for field in fields if field in self.places), self.location)


def draft(source: Source, keys: Iterable[HeldKey], sas: Iterable[IkeSa], found: Diagnostics) -> Draft | None:
    """A connection as a document would say it; None when there are errors, which are in `found`.

    `sas` are those that run: where the configuration leaves a choice, what was negotiated decides.
    """
    ours = source.name.startswith(PREFIX)
    reader = Reader(source.section, found, source.written, reports=source.written and not ours)
    if has_only_shunts(reader):
        return None
    _check(reader)
    if not source.written:
        reader.drop("", _NOT_REPORTED)
    running = next((sa for sa in sas if sa.connection == source.name and sa.state == "ESTABLISHED"), None)
    local_address = _local_address(reader, running)
    peer_address = _peer_address(reader, running)
    version = _version(reader, running)
    ike = _ike_proposal(reader, running)
    if ike is not None and version == 1 and is_aead(ike.encryption):
        reader.refuse(
            "proposals", f"IKEv1 cannot negotiate {ike.encryption} for IKE (RFC 5282 is only for IKEv2)"
        )
    local_id = _identity(reader, "local", local_address)
    peer_id = _identity(reader, "remote", running.remote_id if running is not None else None)
    lifetime = _ike_lifetime(reader)
    dpd = reader.seconds("dpd_delay", 0, _DPD_DELAY)
    child = read_children(reader, Ike(version, dpd, running))
    if reader.refused or child is None or ike is None or local_id is None or peer_id is None:
        return None
    candidates = matching(keys, local_id, peer_id)
    if version == 1 and not candidates:
        # phase1.c, lookup_shared_key: by the addresses, when the identities find none.
        candidates = matching(keys, IkeId(IdType.IP, local_address), IkeId(IdType.IP, peer_address))
    if len(candidates) > 1:
        reader.refuse("local", "several keys match both identities equally well")
        return None
    if not candidates:
        reader.drop("local", "its key is not known: put it into the file that the document names")
    return Draft(
        connection=source.name,
        location=source.section.location,
        version=version,
        local_address=local_address,
        peer_address=peer_address,
        local_id=local_id,
        peer_id=peer_id,
        ike=ike,
        ike_lifetime=lifetime,
        dpd_delay=dpd,
        dpd_action=child.dpd_action,
        esp=child.esp,
        esp_lifetime=child.lifetime,
        local_cidrs=child.local_cidrs,
        peer_cidrs=child.peer_cidrs,
        key=candidates[0] if candidates else None,
        places=_places(reader) | dict(child.places),
    )


def _check(reader: Reader) -> None:
    """Report the settings and sections of the connection that are not taken."""
    ends = {name for name in reader.section.sections if name.startswith(("local", "remote"))}
    # Under the names that a connection usually has, to find the one that is meant.
    reader.check(IKE, {"children", "local", "remote", *ends})


def _places(reader: Reader) -> dict[str, Location]:
    """Where the connection says the fields that are not its children's."""
    fields = {
        "vip": "local_addrs",
        "peer": "remote_addrs",
        "ike": "proposals",
        "ike.version": "version",
        "ike.lifetime": "rekey_time",
        "ike.dpd": "dpd_delay",
    }
    places = {field: reader.at(word) for field, word in fields.items()}
    for field, end in (("identity.local", "local"), ("identity.peer", "remote")):
        section = next(part for name, part in reader.section.sections.items() if name.startswith(end))
        places[field] = reader.below(section).at("id")
    return places


def _local_address(reader: Reader, running: IkeSa | None) -> str:
    found = split_list(reader.text("local_addrs", "%any"))
    if len(found) == 1 and is_address(found[0]):
        return found[0]
    written = f"local_addrs = {', '.join(found)} is not one IPv4 address"
    if any(":" in text for text in found):
        reader.refuse("local_addrs", f"{written}; IPv6 is not supported")
        return ""
    if running is None:
        reader.refuse(
            "local_addrs",
            f"{written}, and no IKE_SA is up that shows which one is used",
            hint="bring the tunnel up, or write the address, then import again",
        )
        return ""
    reader.drop("local_addrs", f"{written}; the running IKE_SA's is taken: {running.local_address}")
    return running.local_address


def _peer_address(reader: Reader, running: IkeSa | None) -> str:
    found = split_list(reader.text("remote_addrs", "%any"))
    if len(found) == 1 and is_address(found[0]):
        return found[0]
    written = f"remote_addrs = {', '.join(found)} is not one IPv4 address"
    if any(":" in text for text in found):
        reader.refuse("remote_addrs", f"{written}; IPv6 is not supported")
        return ""
    if len(found) != 1 or re.search(r"[%/]|^[0-9.-]+$", found[0]):
        # Of several peers, or of any, the one that is there now is not the only one.
        reader.refuse("remote_addrs", written, hint="a tunnel has one peer; write its address")
        return ""
    if running is None:
        reader.refuse(
            "remote_addrs",
            f"{written}, and no IKE_SA is up that shows which one the name has",
            hint="bring the tunnel up, or write the peer's address, then import again",
        )
        return ""
    reader.drop("remote_addrs", f"{written}; the running IKE_SA's is taken: {running.remote_address}")
    return running.remote_address


def _version(reader: Reader, running: IkeSa | None) -> int:
    written = reader.text("version", "0")
    if written in {"1", "2"}:
        return int(written)
    if running is None:
        reader.refuse(
            "version",
            "both IKE versions are allowed, and no IKE_SA is up that shows which one is used",
            hint="set `version` to 1 or 2, or bring the tunnel up",
        )
        return 2
    reader.drop(
        "version", f"both IKE versions are allowed; IKEv{running.version} of the running IKE_SA is taken"
    )
    return int(running.version)


def _ike_proposal(reader: Reader, running: IkeSa | None) -> Algorithms | None:
    found = agreed(reader, "proposals", running.algorithms if running is not None else "", prf=True)
    if found is not None and found.group is None:
        reader.refuse("proposals", "an IKE proposal needs a Diffie-Hellman group")
    return found


def _identity(reader: Reader, end: str, otherwise: str | None) -> IkeId | None:
    """One end's identity; `otherwise` is it where none is written: our own is then our address
    (ike_auth.c), and the peer may have any."""
    rounds = [name for name in reader.section.sections if name.startswith(end)]
    if len(rounds) != 1:
        reader.refuse(end, f"{end} authentication has {counted(len(rounds), 'round')}; one is supported")
        return None
    section = reader.below(reader.section.sections[rounds[0]])
    auth = section.text("auth").lower()
    if auth in {"", "psk"}:
        # Of another kind of authentication all that goes with it is another one, too.
        section.check(LOCAL if end == "local" else REMOTE)
    if auth != "psk" and not section.refused:
        section.refuse("auth", f"{end} authentication does not use a pre-shared key")
        reader.joined(section)
        return None
    text = section.text("id", "%any")
    if text in {"", "%any"}:
        if otherwise is None:
            section.refuse("id", "any ID of the peer is accepted, and no IKE_SA is up that shows its ID")
        elif end == "remote":
            section.drop(
                "id", f"any ID of the peer is accepted; that of the running IKE_SA is taken: {otherwise}"
            )
        text = otherwise or ""
    try:
        return identity(text) if text else None
    except NotImportable as error:
        section.refuse("id", str(error))
        return None
    finally:
        reader.joined(section)


def _ike_lifetime(reader: Reader) -> int:
    """When the IKE_SA is replaced. With neither setting charon rekeys after four hours (vici_config.c)."""
    reauth = reader.seconds("reauth_time", 0, (0, _IKE_LIFETIME[1]))
    rekey = reader.seconds("rekey_time", 0 if reauth else 14_400, (0, _IKE_LIFETIME[1]))
    if reauth:
        reader.drop("reauth_time", "reauthentication interrupts; the IKE_SA is rekeyed instead")
    word, found = ("rekey_time", rekey) if rekey or not reauth else ("reauth_time", reauth)
    if found < _IKE_LIFETIME[0]:
        reader.refuse(word, f"an IKE_SA must be replaced within {_IKE_LIFETIME[0]} to {_IKE_LIFETIME[1]} s")
    return found
