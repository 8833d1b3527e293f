"""The vendors' dialects: names of algorithms, groups, ranges.

Sources: VyOS documentation 1.4 and 1.5, "Site-to-Site", and the definitions of its `vpn ipsec` commands
(vpn_ipsec.xml.in); Cisco, "FlexVPN and Internet Key Exchange Version 2 Configuration Guide, Cisco IOS XE",
"Cisco IOS Security Command Reference" and the IOS XE 17.12 model Cisco-IOS-XE-crypto; Fortinet, "FortiOS CLI
Reference", vpn ipsec phase1-interface and phase2-interface; Juniper, "Junos CLI Reference", proposal, policy
and gateway (Security IKE), proposal, policy and vpn (Security IPsec).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from schemas.algorithms import DH_GROUPS

PLACEHOLDER = "<PRE-SHARED-KEY>"
"""Stands where the key would."""

_IOS_KEY = re.compile(r"[!#->@-~]{1,128}")
_JUNOS_KEY_BYTES = 127

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One vendor's vocabulary. A word that is missing from a mapping is one that the vendor lacks; ranges are
    in seconds, with both ends."""

    title: str
    comment: str
    """What a line that is a comment begins with."""
    ike_encryption: Mapping[str, str]
    ike_integrity: Mapping[str, str]
    ike_prf: Mapping[str, str]
    """The PRF that goes with an AEAD cipher."""
    esp_encryption: Mapping[str, str]
    esp_integrity: Mapping[str, str]
    groups: frozenset[int]
    ike_lifetime: Range
    esp_lifetime: Range
    dpd_delay: Range
    name_length: int
    key: Callable[[bytes], str | None]
    """The key's bytes as the vendor takes them, with the word that says so; None when it does not."""
    no_key: str
    """The same for a key that is not there."""
    fixed_prf: Mapping[str, str] = field(default_factory=dict)
    """The one PRF of an AEAD cipher for IKE, where the device leaves no choice."""
    lists: bool = False
    """Whether one IKEv2 child carries lists of networks, as at our end."""
    chosen_ikev1_name: bool = True
    """Whether an IKEv1 peer can be given a name as its own ID."""


def _vyos_key(key: bytes) -> str:
    """VyOS hands the value on to swanctl.conf, where `0s` is base64."""
    return f"'0s{base64.b64encode(key).decode()}'"


def _ios_key(key: bytes) -> str | None:
    text = key.decode("latin-1")
    return f"0 {text}" if _IOS_KEY.fullmatch(text) else None


def _junos_key(key: bytes) -> str | None:
    return f"hexadecimal {key.hex()}" if len(key) <= _JUNOS_KEY_BYTES else None


def _same(*words: str) -> dict[str, str]:
    return {word: word for word in words}


_HASHES: Final = _same("md5", "sha1", "sha256", "sha384", "sha512")
_JUNOS_HASHES: Final = {
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha-256",
    "sha384": "sha-384",
    "sha512": "sha-512",
}
_VYOS_CIPHERS: Final = {
    "3des": "3des",
    "aes-128": "aes128",
    "aes-192": "aes192",
    "aes-256": "aes256",
    "aes-gcm-128": "aes128gcm128",
    "aes-gcm-192": "aes192gcm128",
    "aes-gcm-256": "aes256gcm128",
    "chacha20-poly1305": "chacha20poly1305",
}
_FORTIGATE_CIPHERS: Final = {
    "3des": "3des",
    "aes-128": "aes128",
    "aes-192": "aes192",
    "aes-256": "aes256",
    "aes-gcm-128": "aes128gcm",
    "aes-gcm-256": "aes256gcm",
    "chacha20-poly1305": "chacha20poly1305",
}
_JUNOS_CIPHERS: Final = {
    "3des": "3des-cbc",
    "aes-128": "aes-128-cbc",
    "aes-192": "aes-192-cbc",
    "aes-256": "aes-256-cbc",
    "aes-gcm-128": "aes-128-gcm",
    "aes-gcm-192": "aes-192-gcm",
    "aes-gcm-256": "aes-256-gcm",
}
_CISCO_AND_JUNIPER_GROUPS: Final = frozenset({2, 5, 14, 15, 16, 19, 20, 21, 24})

DIALECTS: Final[Mapping[str, Dialect]] = {
    "vyos": Dialect(
        title="VyOS 1.4 and 1.5",
        comment="#",
        ike_encryption=_VYOS_CIPHERS,
        ike_integrity=_HASHES,
        ike_prf=_HASHES,
        esp_encryption=_VYOS_CIPHERS,
        esp_integrity=_HASHES,
        groups=frozenset(DH_GROUPS),
        ike_lifetime=(60, 86_400),
        esp_lifetime=(30, 86_400),
        dpd_delay=(2, 86_400),
        name_length=63,
        key=_vyos_key,
        no_key=f"'{PLACEHOLDER}'",
        lists=True,
    ),
    "ios": Dialect(
        title="Cisco IOS XE",
        comment="!",
        ike_encryption={
            "3des": "3des",
            "aes-128": "aes-cbc-128",
            "aes-192": "aes-cbc-192",
            "aes-256": "aes-cbc-256",
            "aes-gcm-128": "aes-gcm-128",
            "aes-gcm-256": "aes-gcm-256",
        },
        ike_integrity=_HASHES,
        ike_prf=_HASHES,
        esp_encryption={
            "3des": "esp-3des",
            "aes-128": "esp-aes",
            "aes-192": "esp-aes 192",
            "aes-256": "esp-aes 256",
            "aes-gcm-128": "esp-gcm",
            "aes-gcm-192": "esp-gcm 192",
            "aes-gcm-256": "esp-gcm 256",
        },
        esp_integrity={
            "md5": "esp-md5-hmac",
            "sha1": "esp-sha-hmac",
            "sha256": "esp-sha256-hmac",
            "sha384": "esp-sha384-hmac",
            "sha512": "esp-sha512-hmac",
        },
        groups=_CISCO_AND_JUNIPER_GROUPS,
        ike_lifetime=(120, 86_400),
        esp_lifetime=(120, 86_400),
        dpd_delay=(10, 3_600),
        name_length=31,
        key=_ios_key,
        no_key=PLACEHOLDER,
        chosen_ikev1_name=False,
    ),
    "fortigate": Dialect(
        title="FortiOS 7",
        comment="#",
        ike_encryption=_FORTIGATE_CIPHERS,
        ike_integrity=_HASHES,
        ike_prf=_same("sha1", "sha256", "sha384", "sha512"),
        esp_encryption=_FORTIGATE_CIPHERS,
        esp_integrity=_HASHES,
        groups=frozenset({2, 5, *range(14, 22), *range(27, 33)}),
        ike_lifetime=(120, 172_800),
        esp_lifetime=(120, 172_800),
        dpd_delay=(1, 3_600),
        name_length=15,
        key=lambda key: f"0x{key.hex()}",
        no_key=PLACEHOLDER,
    ),
    "junos": Dialect(
        title="Junos OS on SRX",
        comment="#",
        ike_encryption={word: name for word, name in _JUNOS_CIPHERS.items() if word != "aes-gcm-192"},
        ike_integrity=_JUNOS_HASHES,
        ike_prf=_JUNOS_HASHES,
        # "prf-algorithm (Security IKE Proposal)": AES-GCM defines the PRF, this one PRF-384 and no other.
        fixed_prf={"aes-gcm-256": "sha384"},
        esp_encryption=_JUNOS_CIPHERS,
        esp_integrity={
            "md5": "hmac-md5-96",
            "sha1": "hmac-sha1-96",
            "sha256": "hmac-sha-256-128",
            "sha384": "hmac-sha-384",
            "sha512": "hmac-sha-512",
        },
        groups=_CISCO_AND_JUNIPER_GROUPS,
        ike_lifetime=(180, 86_400),
        esp_lifetime=(180, 86_400),
        dpd_delay=(10, 60),
        name_length=31,
        key=_junos_key,
        no_key=f"ascii-text {PLACEHOLDER}",
    ),
}
"""The vendors, by the name of their format."""
