"""swanctl.conf's notation -> that of the documents: times, identities, proposals, keys. Pure.

Sources: strongSwan's vici_config.c (times, lists), identification.c (identities),
proposal_keywords_static.txt (algorithms), load_creds.c (keys).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.model.diagnostic import Location
from reconciler.model.fabric import IdType, IkeId
from reconciler.model.secret import Secret
from schemas.addresses import is_address
from schemas.algorithms import DH_GROUPS, ENCRYPTION, INTEGRITY, is_aead

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_CIPHERS = {
    **{word: name for name, word in ENCRYPTION.items()},
    **{f"aes{size}gcm{icv}": f"aes-gcm-{size}" for size in (128, 192, 256) for icv in ("", "128")},
    "aes": "aes-128",
    "chacha20poly1305compat": "",
}
_HASHES = {
    **{word: name for name, word in INTEGRITY.items()},
    **{f"sha2_{size}": f"sha{size}" for size in (256, 384, 512)},
    "sha": "sha1",
}
_GROUPS = {**{word: number for number, word in DH_GROUPS.items()}, "x25519": 31, "x448": 32}
_ID_TYPES = {
    "fqdn": IdType.FQDN,
    "dns": IdType.FQDN,
    "rfc822": IdType.EMAIL,
    "email": IdType.EMAIL,
    "userfqdn": IdType.EMAIL,
    "ipv4": IdType.IP,
}


class NotImportable(Exception):
    """What the service has no word for. The message never holds a key."""


def seconds(text: str) -> int:
    """`4h` -> 14400. Raises NotImportable."""
    found = re.fullmatch(r"(0|[1-9][0-9]{0,8}) *([smhd]?)", text.strip().lower())
    if found is None:
        raise NotImportable(f"{text[:40]!r} is not a time")
    return int(found[1]) * _UNITS[found[2]]


def split_list(text: str) -> tuple[str, ...]:
    """The parts of a list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def identity(text: str) -> IkeId:
    """An identity as strongSwan's identification_create_from_string reads it. Raises NotImportable."""
    kind, colon, rest = text.partition(":")
    if colon and kind.lower() in _ID_TYPES:
        if rest.startswith("#"):
            try:
                rest = bytes.fromhex(rest[1:]).decode()
            except ValueError:
                raise NotImportable(f"the ID {text!r} is not text") from None
        return IkeId(_ID_TYPES[kind.lower()], rest)
    if text.startswith("@") and not text.startswith(("@#", "@@")):
        return IkeId(IdType.FQDN, text[1:])
    if text.startswith("@@"):
        return IkeId(IdType.EMAIL, text[2:])
    if is_address(text):
        return IkeId(IdType.IP, text)
    if not text or "%" in text or "*" in text or "=" in text or colon or text.startswith("@#"):
        raise NotImportable(f"the ID {text!r} is not an IPv4 address, a name or an e-mail form")
    return IkeId(IdType.EMAIL if "@" in text else IdType.FQDN, text)


@dataclass(frozen=True, slots=True)
class Algorithms:
    """One proposal in the service's words; `integrity` is empty for an AEAD cipher without a PRF."""

    encryption: str
    integrity: str
    group: int | None


def proposal(text: str) -> Algorithms:
    """`aes256-sha256-modp2048`, of IKE or ESP. Raises NotImportable for what the service does not offer, and
    for a proposal that leaves a choice."""
    ciphers, hashes, prfs, groups = [], [], [], []
    for word in (part.strip().lower() for part in text.split("-")):
        if _CIPHERS.get(word):
            ciphers.append(_CIPHERS[word])
        elif word in _HASHES:
            hashes.append(_HASHES[word])
        elif word.removeprefix("prf") in _HASHES and word.startswith("prf"):
            prfs.append(_HASHES[word.removeprefix("prf")])
        elif word in _GROUPS:
            groups.append(_GROUPS[word])
        elif word != "noesn":
            raise NotImportable(f"{word!r} of the proposal {text!r} is not supported")
    aead = bool(ciphers) and is_aead(ciphers[0])
    found = [*hashes, *(prf for prf in prfs if prf not in hashes)]
    if len(ciphers) != 1 or len(found) > 1 or len(groups) > 1 or not (found or aead) or (aead and hashes):
        raise NotImportable(f"the proposal {text!r} is not one cipher, one integrity and at most one group")
    return Algorithms(ciphers[0], found[0] if found else "", groups[0] if groups else None)


def groups(proposals: Iterable[str]) -> frozenset[int | None]:
    """The Diffie-Hellman groups among ESP proposals, None for a proposal without; empty when a word in them
    is not known. charon's own default has none (proposal.c, proposal_create_default)."""
    found: set[int | None] = set()
    for text in proposals:
        words = text.lower().split("-")
        named = {_GROUPS[word] for word in words if word in _GROUPS}
        rest = {word.removeprefix("prf") for word in words if word not in _GROUPS}
        if text != "default" and rest - {*_CIPHERS, *_HASHES, "noesn"}:
            return frozenset()
        found |= named or {None}
    return frozenset(found)


def key(text: str) -> Secret:
    """A key as swanctl reads it: `0x` hexadecimal, `0s` base64, else the text. Raises NotImportable."""
    try:
        if text[:2].lower() == "0x":
            return Secret(bytes.fromhex(text[2:].replace(":", "")))
        if text[:2].lower() == "0s":
            return Secret(base64.b64decode(text[2:], validate=True))
    except (ValueError, binascii.Error):
        raise NotImportable(
            "the key is not the hexadecimal digits or base64 that its prefix announces"
        ) from None
    return Secret(text.encode(errors="surrogateescape"))


def owner(text: str) -> IkeId | None:
    """An identity that a key is for: None for any, a leading `*` for a wildcard; else as `identity`."""
    if text == "%any":
        return None
    if text.startswith("*"):
        return IkeId(IdType.EMAIL if "@" in text else IdType.FQDN, text)
    return identity(text)


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key with the identities that it is for; None among them is any."""

    owners: tuple[IkeId | None, ...]
    secret: Secret
    name: str
    location: Location
    """Where its section begins."""


def matching(keys: Iterable[HeldKey], local: IkeId, peer: IkeId) -> tuple[Secret, ...]:
    """The keys that charon would take, ranked by the peer's identity, then by our own
    (credential_manager.c, get_shared); more than one when the ranking does not decide."""
    ranked: dict[tuple[int, int], list[Secret]] = {}
    for held in keys:
        rank = _closeness(held, peer), _closeness(held, local)
        if any(rank):
            ranked.setdefault(rank, []).append(held.secret)
    found = ranked[max(ranked)] if ranked else []
    return tuple(secret for index, secret in enumerate(found) if secret not in found[:index])


def _closeness(held: HeldKey, wanted: IkeId) -> int:
    """How well a key's owners fit: 3 exactly, 2 by a wildcard, 1 as any, 0 not (mem_cred.c, has_owner)."""
    return max((_fits(mine, wanted) for mine in held.owners), default=0)


def _fits(mine: IkeId | None, wanted: IkeId) -> int:
    if mine is None or mine.value == "*":
        return 1
    if mine.type is not wanted.type:
        return 0
    text, pattern = wanted.value.lower(), mine.value.lower()
    if text == pattern:
        return 3
    return 2 if pattern.startswith("*") and text.endswith(pattern[1:]) else 0
