"""One HTTP request whose answer is bounded, in bytes and in all the time that it takes.

The time limits of requests and urllib3 are for each read: who sends a byte now and then holds up the caller
for ever. Here a watchdog ends the connection itself, in whichever state it is: TLS, headers, or body.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

_CONNECT = 5.0
"""Seconds to reach the host."""
_READ = 10.0
"""Seconds of silence after which an answer is given up."""
_CHUNK = 64 * 2**10


class NoAnswer(Exception):
    """There is no answer that can be used. `str()` says why, and holds nothing that was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: a redirect too, which is not followed."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    has_next: bool
    """Whether a Link header tells of a next page."""


class Deadline:
    """Ends the connections that are made in its block when its seconds are over."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._watched: list[socket.socket] = []
        self._one_by_one = threading.Lock()
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def left(self) -> float:
        """Seconds; 0 when it has passed."""
        return max(0.0, self._end - time.monotonic())

    def watch(self, connected: socket.socket) -> socket.socket:
        """The socket itself, from now on under watch."""
        # What TLS makes of it is another object over the same connection.
        same = connected.dup()
        with self._one_by_one:
            self._watched.append(same)
        if not self.left():
            self._pass()
        return connected

    def _pass(self) -> None:
        with self._one_by_one:
            for connected in self._watched:
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._one_by_one:
            for connected in self._watched:
                connected.close()
            self._watched.clear()


def exchange(
    method: str,
    address: str,
    deadline: Deadline,
    limit: int,
    *,
    headers: Mapping[str, str],
    auth: requests.auth.AuthBase,
    parameters: Mapping[str, str | int],
    body: Mapping[str, str] | None,
) -> Answer:
    """Send one request, and take at most `limit` bytes of its answer, unpacked.

    Raises NoAnswer.
    """
    try:
        with _Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter(deadline))
            answer = session.request(
                method,
                address,
                params=parameters,
                json=body,
                headers={**headers, "Accept-Encoding": "identity"},
                auth=auth,
                timeout=(_CONNECT, _READ),
                # Another host would get the token, and a POST would become a GET.
                allow_redirects=False,
                stream=True,
            )
            with answer:
                content = _content(answer, limit)
                if not deadline.left():
                    # What was cut off may look whole: headers may end with the connection.
                    raise NoAnswer("did not answer in time")
                return Answer(answer.status_code, answer.headers, content, "next" in answer.links)
    except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
        # Its words and its request may hold headers.
        raise NoAnswer(_reason(error, deadline)) from None


def _content(answer: requests.Response, limit: int) -> bytes:
    content = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        content += chunk
        if len(content) > limit:
            raise NoAnswer(f"answered with more than {limit} bytes")
    return bytes(content)


def _reason(error: Exception, deadline: Deadline) -> str:
    if isinstance(error, requests.Timeout) or not deadline.left():
        return "did not answer in time"
    if isinstance(error, (requests.ConnectionError, OSError)):
        return "cannot be reached"
    return f"gave no answer of HTTP ({type(error).__name__})"


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Nowhere: requests would take the address apart though it is not asked to go there."""
        del resp
        return None


class _Adapter(HTTPAdapter):
    """Lets a deadline watch every connection, those to a proxy too."""

    def __init__(self, deadline: Deadline) -> None:
        self._pools = _pools(deadline)
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as it is declared
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is declared
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(deadline: Deadline) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return deadline.watch(super()._new_conn())

    class Encrypted(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return deadline.watch(super()._new_conn())

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}
