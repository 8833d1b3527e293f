"""What people and other tools write for a value of a list -> the value that they mean. Pure.

Sources: IANA, "IKEv2 Transform Type 4" (groups and their curves); docs.strongswan.org, "Algorithm Proposals";
the words of other vendors are those of `reconciler/report/sheets/dialects.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from schemas.algorithms import DH_GROUPS

_WORDS = re.compile(r"[a-z]+|[0-9]+")
_GROUP = re.compile(r"(?:dh-group)?([0-9]+)")
_NUMBERED = re.compile(r"(?:modp)?(?:dh|diffiehellman)?(?:group|grp)?([0-9]{1,2})")
_PRIMES: Final = {1024: 2, 1536: 5, 2048: 14, 3072: 15, 4096: 16, 6144: 17, 8192: 18}
"""Bits of the primes that belong to one group alone as most people say it."""
_GROUP_NAMES: Final[Mapping[str, int]] = {
    **{word: number for number, word in DH_GROUPS.items()},
    **{str(bits): number for bits, number in _PRIMES.items()},
    **{
        f"{form}{bits}{end}": number
        for bits, number in ((256, 19), (384, 20), (521, 21))
        for form, end in (("p", ""), ("nistp", ""), ("secp", "r1"))
    },
    **{f"brainpoolp{bits}r1": number for bits, number in ((224, 27), (256, 28), (384, 29), (512, 30))},
    "x25519": 31,
    "x448": 32,
}
_NONE: Final = frozenset({"0", "none", "no", "off", "false", "disable", "disabled"})
_ALIASES: Final = {
    "tripledes": "3des",
    "des3": "3des",
    "chacha": "chacha20-poly1305",
    "aes": "aes-128",
    "espaes": "aes-128",
    "espgcm": "aes-gcm-128",
    "espgcm192": "aes-gcm-192",
    "espgcm256": "aes-gcm-256",
    "espshahmac": "sha1",
    "sha": "sha1",
    "sha2": "sha256",
    "hold": "trap",
    "route": "trap",
    "none": "clear",
    "start": "restart",
}
"""Where none of the words of the value is in them."""


def spelt_otherwise(value: object, allowed: Sequence[str]) -> str:
    """The allowed value that is meant; empty when that is not known."""
    word = re.sub(r"[^a-z0-9]", "", str(value).lower())
    if are_groups(allowed):
        return _group(word, allowed)
    alias = _ALIASES.get(word, "")
    return alias if alias in allowed else _sharing_words(str(value).lower(), allowed)


def are_groups(allowed: Sequence[str]) -> bool:
    """Numbers of groups, not those of IKE's versions."""
    return all(map(_GROUP.fullmatch, allowed)) and any("14" in item for item in allowed)


def _group(word: str, allowed: Sequence[str]) -> str:
    numbered = _NUMBERED.fullmatch(word)
    number = _GROUP_NAMES.get(word, int(numbered[1]) if numbered else None)
    if word in _NONE:
        number = 0
    return next((item for item in allowed if re.sub("[^0-9]", "", item) == str(number)), "")


def _sharing_words(text: str, allowed: Sequence[str]) -> str:
    """The value that shares the most words with what was written, as `aes256gcm16` does with `aes-gcm-256`;
    of several the one whose number stands first: another one is the length of a check value."""
    wrote = set(_WORDS.findall(text))
    parts = {item: set(_WORDS.findall(item.lower())) for item in allowed}
    within = [item for item in allowed if parts[item] and parts[item] <= wrote]

    def closeness(item: str) -> tuple[int, int]:
        return len(parts[item]), -max(
            (text.index(part) for part in parts[item] if part.isdecimal()), default=0
        )

    return max(within, key=closeness, default="")
