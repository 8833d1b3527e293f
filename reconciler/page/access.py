"""Who may read the page. Pure.

A browser runs what any website says, and reaches what its user reaches. A name of another site may lead to
this machine (DNS rebinding), so requests name an address, `localhost` or the public name.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from reconciler.model.secret import Secret

READING: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read. With neither a token nor a header everyone may who reaches the address."""

    url: str = ""
    """The public address."""
    identity_header: str = ""
    """In which the proxy at the address `proxy` names the user."""
    proxy: str = ""
    token: Secret | None = None

    def refuses(self, method: str, client: str, headers: Mapping[str, str]) -> HTTPStatus | None:
        """Why a request from an address is not answered, its headers by their names in lower case; None for
        one that is."""
        if method not in READING:
            return HTTPStatus.METHOD_NOT_ALLOWED
        if not self._is_named(headers.get("host", "")):
            return HTTPStatus.MISDIRECTED_REQUEST
        if self.token is None and not self.identity_header:
            return None
        if self.identity_header and self._is_proxied(client, headers):
            return None
        if self.token is None:
            return HTTPStatus.FORBIDDEN
        return None if self._knows(headers.get("authorization", "")) else HTTPStatus.UNAUTHORIZED

    def _is_named(self, host: str) -> bool:
        """Whether a `Host` header names this server: no other site has an address for its name."""
        try:
            parts = urlsplit(f"//{host}")
            name, _ = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.path or parts.query or parts.fragment or "@" in host:
            return False
        return name in {"localhost", urlsplit(self.url).hostname} or _is_address(name)

    def _is_proxied(self, client: str, headers: Mapping[str, str]) -> bool:
        if not (_is_address(client) and ip_address(client) == ip_address(self.proxy)):
            return False
        return bool(headers.get(self.identity_header.lower(), "").strip())

    def _knows(self, authorization: str) -> bool:
        """Whether a request has the token: as a password (RFC 7617), or as a bearer (RFC 6750)."""
        scheme, _, given = authorization.partition(" ")
        word = given.strip().encode("latin-1", errors="replace")
        if scheme.lower() == "basic":
            try:
                word = b64decode(word, validate=True).partition(b":")[2]
            except Base64Error:
                return False
        elif scheme.lower() != "bearer":
            return False
        return self.token is not None and hmac.compare_digest(word, self.token.reveal())


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
