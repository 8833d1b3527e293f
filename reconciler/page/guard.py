"""The headers of every response, and whether a request is answered at all: an ASGI application around another
one.

No response may be put into another site's frame, and none holds a script or a style of its own.
"""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.page.access import Access

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """The application for those who may read it, with the headers of every response."""

    def __init__(self, application: ASGIApp, access: Access) -> None:
        self._application = application
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # Of a header that comes twice neither counts: a proxy adds its own to what it was sent.
        given: dict[str, str] = {}
        twice: set[str] = set()
        for raw, value in scope["headers"]:
            name = raw.decode("latin-1").lower()
            twice |= {name} & given.keys()
            given[name] = value.decode("latin-1")
        headers = {name: value for name, value in given.items() if name not in twice}

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                more = {**HEADERS, "date": formatdate(usegmt=True), "cache-control": "no-store"}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in more.items()
                        if name.encode() not in own
                    ),
                ]
            await send(message)

        client = (scope.get("client") or ("", 0))[0]
        refused = self._access.refuses(scope["method"], client, headers)
        if refused is None:
            await self._application(scope, receive, sent)
            return
        more = {
            HTTPStatus.METHOD_NOT_ALLOWED: (b"allow", b"GET, HEAD"),
            HTTPStatus.UNAUTHORIZED: (b"www-authenticate", b'Basic realm="tunnelwright", charset="UTF-8"'),
        }
        body = f"{refused.phrase.lower()}\n".encode()
        start = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        if refused in more:
            start.append(more[refused])
        await sent({"type": "http.response.start", "status": int(refused), "headers": start})
        await sent({"type": "http.response.body", "body": body})
