"""Key material that cannot be printed by accident, and the fingerprint that stands for it."""

from __future__ import annotations

import hashlib
import hmac


class Secret:
    """Bytes that no repr, str, format, pickle or dataclass dump shows.

    Only `reveal()` gives the bytes; a search for that word finds every place that uses them.
    """

    __slots__ = ("__value",)

    def __init__(self, value: bytes) -> None:
        self.__value = value

    def reveal(self) -> bytes:
        """The key itself, for the router alone."""
        return self.__value

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


def fingerprint(secret: Secret, *, key: Secret, context: str) -> str:
    """A keyed digest of a secret: 12 hexadecimal digits of HMAC-SHA256 (RFC 2104).

    `key` is known to the controller alone, so the digest on a router cannot be guessed offline;
    `context` (the tunnel's name) keeps equal keys of two tunnels apart.
    """
    message = context.encode() + b"\0" + secret.reveal()
    return hmac.new(key.reveal(), message, hashlib.sha256).hexdigest()[:12]
