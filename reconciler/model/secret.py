"""Key material that cannot be printed by accident, and the fingerprint that stands for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import re
from urllib.parse import quote, quote_plus
from weakref import WeakValueDictionary

_SHORTEST = 6
"""Bytes of the shortest value that is looked for in texts: shorter ones are found everywhere."""
_BASE64 = re.compile(r"[A-Za-z0-9+/=._-]*")
"""What is quoted in URLs alone."""
_URL_SAFE = str.maketrans("+/", "-_")


class Secret:
    """Bytes that no repr, str, format, pickle or dataclass dump shows.

    Only `reveal()` gives the bytes; a search for that word finds every place that uses them.
    """

    __slots__ = ("__forms", "__value", "__weakref__")

    def __init__(self, value: bytes) -> None:
        self.__value = value
        self.__forms: list[str] | None = None
        if len(value) >= _SHORTEST:
            _living[id(self)] = self

    def reveal(self) -> bytes:
        """The key itself, for the router alone."""
        return self.__value

    def forms(self) -> list[str]:
        """Every way to write it, the longest first: what `redacted` looks for. Made once, when a text is
        searched for the first time."""
        if self.__forms is None:
            self.__forms = _forms(self.__value)
        return self.__forms

    def __repr__(self) -> str:
        return "Secret(redacted)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        # dataclasses.asdict copies what it finds; a copy in plain sight is not wanted.
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.__value, other.reveal())

    def __hash__(self) -> int:
        return hash(self.__value)

    def __len__(self) -> int:
        return len(self.__value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never serialised")


_living: WeakValueDictionary[int, Secret] = WeakValueDictionary()
"""The secrets of this process: what `redacted` looks for."""


def redacted(text: str) -> str:
    """A foreign text without any secret that this process holds: as it is, as programs quote it (JSON,
    Python, a URL, HTML, a shell), in hexadecimal, or in base64, wherever in the encoded stream it stood.

    For error paths. Ten thousand secrets take about a second the first time, most of it for their forms.
    """
    there = {text[at : at + _SHORTEST] for at in range(len(text) - _SHORTEST + 1)}
    for secret in tuple(_living.values()):
        for form in secret.forms():
            if form[:_SHORTEST] in there:
                text = text.replace(form, "(redacted)")
    return text


def _forms(value: bytes) -> list[str]:
    """Every way to write a value, the longest first: one may hold another."""
    # In base64 a value begins at one of three places of a group; what its neighbours share is left out.
    encoded = {base64.b64encode(bytes(shift) + value).decode()[-(-4 * shift // 3) :] for shift in range(3)}
    standard = {form.rstrip("=")[:-1] for form in encoded}
    forms = standard | {form.translate(_URL_SAFE) for form in standard} | {value.hex(), value.hex().upper()}
    text = value.decode(errors="replace")
    forms.add(text)
    if "/" in text or "+" in text or "=" in text:
        forms |= {quote(value), quote(value, safe="")}
    if not _BASE64.fullmatch(text):
        forms |= {value.decode("latin-1"), repr(value)[2:-1], repr(text)[1:-1]}
        forms |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        forms |= {quote(value), quote(value, safe=""), quote_plus(value)}
        forms |= {html.escape(text), text.replace("'", "'\"'\"'")}
    return sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)


def fingerprint(secret: Secret, *, key: Secret, context: str) -> str:
    """A keyed digest of a secret: 12 hexadecimal digits of HMAC-SHA256 (RFC 2104).

    `key` is known to the controller alone, so the digest on a router cannot be guessed offline;
    `context` (the tunnel's name) keeps equal keys of two tunnels apart.
    """
    message = context.encode() + b"\0" + secret.reveal()
    return hmac.new(key.reveal(), message, hashlib.sha256).hexdigest()[:12]
