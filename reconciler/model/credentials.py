"""Recognizes secrets by their form: private keys and tokens. None of them can be the key of a tunnel."""

from __future__ import annotations

import re
from typing import Final

_PRIVATE_KEYS: Final = {
    "the private key of an age identity": re.compile(rb"AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]{50}"),
    # PEM (RFC 7468), OpenSSH's and OpenPGP's (RFC 9580, section 6.2), encrypted or not.
    "a private key": re.compile(
        rb"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----|PuTTY-User-Key-File-[0-9]"
    ),
}
_TOKENS: Final = {
    "a token of GitHub": re.compile(rb"gh[oprsu]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}"),
    "a token of GitLab": re.compile(rb"gl[a-z]{2,8}-[A-Za-z0-9_.-]{20,}"),
    "a token of Vault": re.compile(rb"hv[brs]\.[A-Za-z0-9_-]{20,}"),
    "a JSON web token": re.compile(rb"eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
}


_IN_ADDRESSES: Final = re.compile(r"(?<=://)[^/\s]+@")


def without_credentials(text: str) -> str:
    """Addresses in a text without the user and password that they may hold."""
    return _IN_ADDRESSES.sub("", text)


def private_key(content: bytes) -> tuple[str, int] | None:
    """The first private key in a content: what it is, and at which byte it begins."""
    found = [(what, match.start()) for what, form in _PRIVATE_KEYS.items() if (match := form.search(content))]
    return min(found, key=lambda item: item[1], default=None)


def credential(value: bytes) -> str:
    """Whose secret a value is that should be a tunnel's key; empty when it does not look like one."""
    held = private_key(value)
    if held is not None:
        return held[0]
    return next((what for what, form in _TOKENS.items() if form.fullmatch(value.strip())), "")
