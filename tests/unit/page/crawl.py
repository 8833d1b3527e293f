"""Every response of a page that a link leads to."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlsplit

SEEDS = ("/", "/?all=1", "/topology", "/runs?all=1", "/nothing", "/static/page.css")


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(
    address: str,
    path: str = "/",
    method: str = "GET",
    headers: dict[str, str] | None = None,
    seconds: float = 20,
) -> Answer:
    """One response of a page."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    try:
        connection.request(method, path, headers=headers or {})
        found = connection.getresponse()
        return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
    finally:
        connection.close()


def crawled(address: str, headers: dict[str, str] | None = None) -> dict[str, Answer]:
    """Path -> its response, of all that there is."""
    found: dict[str, Answer] = {}
    waiting = [*SEEDS]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = answer = ask(address, path, headers=headers)
        if "html" in answer.headers.get("content-type", ""):
            links = re.findall(r'(?:href|src)="([^"#]+)"', answer.text)
            waiting += [link for link in map(unescape, links) if link.startswith("/")]
    return found
