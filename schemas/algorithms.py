"""The names of algorithms in documents -> strongSwan's proposal keywords, and weak algorithms.

Sources: docs.strongswan.org, "Algorithm Proposals"; IANA's IKEv2 Transform Type 4 registry for group
numbers; RFC 8247 (IKEv2) and RFC 8221 (ESP) for what is weak.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENCRYPTION: Final[Mapping[str, str]] = {
    "3des": "3des",
    "aes-128": "aes128",
    "aes-192": "aes192",
    "aes-256": "aes256",
    "aes-gcm-128": "aes128gcm16",
    "aes-gcm-192": "aes192gcm16",
    "aes-gcm-256": "aes256gcm16",
    "chacha20-poly1305": "chacha20poly1305",
}
"""Encryption algorithms, for IKE and ESP."""

INTEGRITY: Final[Mapping[str, str]] = {
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
}
"""Authentication (integrity) algorithms, for IKE and ESP; `prf` before a keyword makes it a PRF."""

DH_GROUPS: Final[Mapping[int, str]] = {
    2: "modp1024",
    5: "modp1536",
    14: "modp2048",
    15: "modp3072",
    16: "modp4096",
    17: "modp6144",
    18: "modp8192",
    19: "ecp256",
    20: "ecp384",
    21: "ecp521",
    22: "modp1024s160",
    23: "modp2048s224",
    24: "modp2048s256",
    25: "ecp192",
    26: "ecp224",
    27: "ecp224bp",
    28: "ecp256bp",
    29: "ecp384bp",
    30: "ecp512bp",
    31: "curve25519",
    32: "curve448",
}
"""Diffie-Hellman groups by IANA number."""

_AEAD: Final = frozenset({"aes-gcm-128", "aes-gcm-192", "aes-gcm-256", "chacha20-poly1305"})

WEAK: Final[Mapping[str, str]] = {
    "md5": "MD5 is broken, and RFC 8247 and RFC 8221 forbid it",
    "sha1": "SHA-1 is broken for collisions and is being phased out (RFC 8247, RFC 8221)",
    "3des": "3DES has 64-bit blocks, so long use of one key leaks plaintext (Sweet32; RFC 8221)",
}
"""Weak encryption and integrity words, with the reason."""

WEAK_GROUPS: Final[Mapping[int, str]] = {
    2: "its 1024-bit prime is within reach of precomputation (Logjam; RFC 8247 advises against it)",
    5: "its 1536-bit prime is shorter than the 2048 bits that are the minimum today (RFC 8247)",
    22: "its 1024-bit prime with a small subgroup is within reach of attackers (RFC 8247 forbids it)",
    23: "its small subgroups have primes of unknown origin (RFC 8247 advises against it)",
    24: "its small subgroups have primes of unknown origin (RFC 8247 advises against it)",
}
"""Weak Diffie-Hellman groups, with the reason."""


def is_aead(encryption: str) -> bool:
    """True when the cipher protects integrity itself (combined mode, RFC 5282, RFC 4106)."""
    return encryption in _AEAD


def ike_proposal(encryption: str, integrity: str, dh_group: int) -> str:
    """An IKE proposal in strongSwan's words: `aes256-sha256-modp2048`.

    With an AEAD cipher `integrity` is the PRF alone: `aes256gcm16-prfsha256-modp2048`.
    Raises KeyError for a word or number that is not in the tables.
    """
    prefix = "prf" if is_aead(encryption) else ""
    return f"{ENCRYPTION[encryption]}-{prefix}{INTEGRITY[integrity]}-{DH_GROUPS[dh_group]}"


def esp_proposal(encryption: str, integrity: str, pfs_group: int | None) -> str:
    """An ESP proposal in strongSwan's words: `aes256-sha256-modp2048`; without a group, no PFS.

    With an AEAD cipher `integrity` has no meaning and is left out.
    Raises KeyError for a word or number that is not in the tables.
    """
    parts = [ENCRYPTION[encryption]]
    if not is_aead(encryption):
        parts.append(INTEGRITY[integrity])
    if pfs_group is not None:
        parts.append(DH_GROUPS[pfs_group])
    return "-".join(parts)


def pfs_group(word: str) -> int | None:
    """The service's word for a PFS group -> IANA number: `dh-group14` -> 14; `dh-group0` -> None.

    Raises ValueError for any other form.
    """
    number = int(word.removeprefix("dh-group"))
    return number or None
