"""What the service answers over HTTP: whether it lives, its metrics, and signed webhooks that wake it."""

from __future__ import annotations

import hashlib
import hmac
import io
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.isolation import attempt
from reconciler.model.secret import Secret
from reconciler.service.listener import listen

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Expose = Callable[[str], tuple[str, bytes]]
"""What an `Accept` header asks for -> the type and the text of the metrics."""


def is_signed(headers: Mapping[str, str], body: bytes, secret: Secret) -> bool:
    """True when a webhook comes from who knows the secret: GitHub's and Gitea's HMAC-SHA-256 of the body, or
    the token itself, as GitLab sends it. Compared in constant time."""
    expected = hmac.new(secret.reveal(), body, hashlib.sha256).hexdigest()
    signature = headers.get("HTTP_X_HUB_SIGNATURE_256") or headers.get("HTTP_X_GITEA_SIGNATURE")
    if signature is not None:
        return hmac.compare_digest(signature.removeprefix("sha256=").encode(), expected.encode())
    token = headers.get("HTTP_X_GITLAB_TOKEN")
    return token is not None and hmac.compare_digest(token.encode("latin-1"), secret.reveal())


class Application:
    """A WSGI application. `wake` is called for each webhook that is signed, whose answer does not wait;
    `hangs` says why the service does not work, or nothing."""

    def __init__(
        self,
        wake: Callable[[], None],
        webhook_secret: Secret | None,
        expose: Expose | None = None,
        hangs: Callable[[], str] = lambda: "",
    ) -> None:
        self._wake = wake
        self._secret = webhook_secret
        self._expose = expose
        self._hangs = hangs
        self._scrapes = threading.BoundedSemaphore(bounds.SCRAPES)
        self._untaken = _Untaken()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        found = attempt("web", environ["PATH_INFO"][:100], lambda: self._answer(environ))
        if isinstance(found, TunnelwrightError):
            found = _Answer("500 Internal Server Error", b"the log says why\n")
        start_response(found.status, [("Content-Type", found.kind)])
        if found.large is None or environ["REQUEST_METHOD"] == "HEAD":
            return [found.body]
        # Sent from where it is: no thread copies it, or waits for a caller who does not read.
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](found.large)
        return wrapped

    def _answer(self, environ: WSGIEnvironment) -> _Answer:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/healthz":
            return self._health() if method in {"GET", "HEAD"} else _said(405, "GET it")
        if path == "/metrics" and self._expose is not None:
            if method not in {"GET", "HEAD"}:
                return _said(405, "GET it")
            return self._metrics(self._expose, environ.get("HTTP_ACCEPT", ""))
        if path == "/webhook" and self._secret is not None:
            return self._woken(environ, self._secret) if method == "POST" else _said(405, "POST it")
        return _said(404, "not found")

    def _woken(self, environ: WSGIEnvironment, secret: Secret) -> _Answer:
        if not is_signed(environ, environ["wsgi.input"].read(), secret):
            return _said(403, "the signature is missing or wrong")
        self._wake()
        return _said(202, "a run was requested")

    def _health(self) -> _Answer:
        why = self._hangs()
        return _said(503, why) if why else _said(200, "alive")

    def _metrics(self, expose: Expose, accept: str) -> _Answer:
        # A large fleet's take a second; a client that asks again and again gets no other thread.
        if not self._scrapes.acquire(blocking=False):
            return _said(503, "too many scrapes at the same time")
        try:
            kind, body = expose(accept)
        finally:
            self._scrapes.release()
        large = self._untaken.add(body)
        return _said(503, "too much unsent data") if large is None else _Answer("200 OK", body, kind, large)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    body: bytes
    kind: str = "text/plain; charset=utf-8"
    large: io.BytesIO | None = None
    """The body as a file, which is closed when it was sent, or its connection has ended."""


class _Untaken:
    """Counts the bytes of answers that wait for their callers."""

    def __init__(self) -> None:
        self._bytes = 0
        self._counting = threading.Lock()

    def add(self, body: bytes) -> io.BytesIO | None:
        """The body as a file, which counts until it is closed; None when there is no room for it."""
        with self._counting:
            if self._bytes and self._bytes + len(body) > bounds.UNTAKEN:
                return None
            self._bytes += len(body)
        return _Body(body, self._closed)

    def _closed(self, size: int) -> None:
        with self._counting:
            self._bytes -= size


class _Body(io.BytesIO):
    def __init__(self, body: bytes, closed: Callable[[int], None]) -> None:
        super().__init__(body)
        self._on_closed: Callable[[int], None] | None = closed
        self._size = len(body)

    def close(self) -> None:
        super().close()
        closing, self._on_closed = self._on_closed, None
        if closing is not None:
            closing(self._size)


def _said(code: int, text: str) -> _Answer:
    return _Answer(f"{code} {HTTPStatus(code).phrase}", f"{text}\n".encode())


class WebServer:
    """The application behind a socket, in a thread of its own."""

    def __init__(self, application: Application, address: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            listening = socket.create_server((address, port), family=family, backlog=1024)
        except OSError as error:
            raise TunnelwrightError(f"cannot listen on {address}:{port}: {error.strerror}") from error
        self.port = int(listening.getsockname()[1])
        self._serving = listen(application, listening)

    def close(self) -> None:
        """Answer no more."""
        self._serving.close()
