"""What the service answers over HTTP: whether it lives, its metrics, and signed webhooks that wake it."""

from __future__ import annotations

import hashlib
import hmac
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reconciler.model.errors import TunnelwrightError
from reconciler.model.secret import Secret

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_LARGEST = 25 * 2**20
"""Bytes of a webhook; GitHub's own limit."""
Expose = Callable[[str], tuple[str, bytes]]
"""What an `Accept` header asks for -> the type and the text of the metrics."""
_TEXT = [("Content-Type", "text/plain; charset=utf-8")]


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
    """A WSGI application. `wake` is called for each webhook that is signed, whose answer does not wait."""

    def __init__(
        self, wake: Callable[[], None], webhook_secret: Secret | None, expose: Expose | None = None
    ) -> None:
        self._wake = wake
        self._secret = webhook_secret
        self._expose = expose

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ["PATH_INFO"] == "/metrics" and self._expose is not None:
            kind, body = self._expose(environ.get("HTTP_ACCEPT", ""))
            start_response("200 OK", [("Content-Type", kind)])
            return [body]
        status, text = self._answer(environ)
        start_response(status, _TEXT)
        return [f"{text}\n".encode()]

    def _answer(self, environ: WSGIEnvironment) -> tuple[str, str]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/healthz":
            return ("200 OK", "alive") if method in {"GET", "HEAD"} else ("405 Method Not Allowed", "GET it")
        if path != "/webhook" or self._secret is None:
            return "404 Not Found", "there is nothing here"
        if method != "POST":
            return "405 Method Not Allowed", "POST it"
        if not is_signed(environ, environ["wsgi.input"].read(), self._secret):
            return "403 Forbidden", "the signature is missing or wrong"
        self._wake()
        return "202 Accepted", "looking"


class WebServer:
    """The application behind a socket, in a thread of its own."""

    def __init__(self, application: Application, address: str, port: int) -> None:
        from waitress import wasyncore  # noqa: PLC0415
        from waitress.server import create_server  # noqa: PLC0415
        from waitress.trigger import trigger  # noqa: PLC0415

        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            listening = socket.create_server((address, port), family=family)
        except OSError as error:
            raise TunnelwrightError(f"cannot listen at {address}:{port}: {error.strerror}") from error
        self.port = int(listening.getsockname()[1])
        options: dict[str, Any] = {"sockets": [listening], "threads": 4, "max_request_body_size": _LARGEST}
        sockets: Any = {}
        self._server = create_server(application, map=sockets, ident=None, **options)
        # Sockets must be closed by the thread that waits for them.
        self._trigger: Any = trigger(sockets)
        self._end = lambda: wasyncore.close_all(sockets)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._trigger.pull_trigger(self._end)
        self._thread.join(5)
        self._server.task_dispatcher.shutdown()
