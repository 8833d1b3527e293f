"""A `requests` session whose answers are bounded in bytes, and whose connections in time, all together.

The time limits of requests and urllib3 are for each read: who sends a byte now and then holds up the caller
for ever. Here a watchdog ends the connections themselves, in whichever state they are: TLS, headers, or body.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from reconciler.model.listing import counted

_PIECE = 64 * 2**10


class TooLong(requests.RequestException):
    """An answer has more bytes than it may have. `str()` says how many it may have."""


class NotHttp(requests.RequestException):
    """What came is no answer of HTTP, and requests has no error of its own for it. `str()` is its name."""


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


@contextmanager
def bounded_session(deadline: Deadline, most: int) -> Iterator[requests.Session]:
    """A session of which every answer has at most `most` bytes, unpacked, and which follows no redirect.

    Its requests raise requests.RequestException: TooLong, NotHttp, and at once ConnectionError when the
    deadline has passed; ValueError for an invalid address.
    """
    with _Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Bounded(deadline, most))
        session.headers["Accept-Encoding"] = "identity"
        yield session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Nowhere: another host would get the token, and a POST would become a GET. Even without following
        it requests would take the address apart."""
        del resp
        return None


class _Bounded(HTTPAdapter):
    """Reads answers whole, up to a number of bytes, and lets a deadline watch every connection, those to a
    proxy too."""

    def __init__(self, deadline: Deadline, most: int) -> None:
        self._deadline = deadline
        self._pools = _pools(deadline)
        self._most = most
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - as it is declared
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> PoolManager:  # noqa: ANN401 - as declared
        manager: PoolManager = super().proxy_manager_for(*arguments, **named)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def send(self, *arguments: Any, **named: Any) -> requests.Response:  # noqa: ANN401 - as it is declared
        try:
            answer = super().send(*arguments, **{**named, "stream": True})
            with closing(answer):
                answer._content = self._content(answer)
        except (HTTPError, HTTPException) as error:
            # Its words may hold what was sent.
            raise NotHttp(type(error).__name__) from None
        if not self._deadline.left():
            # What was cut off may look whole: headers and a body without a length end with the connection.
            raise requests.ConnectionError("the time limit was exceeded")
        return answer

    def _content(self, answer: requests.Response) -> bytes:
        content = bytearray()
        for piece in answer.iter_content(_PIECE):
            content += piece
            if len(content) > self._most:
                raise TooLong(f"more than {counted(self._most, 'byte')}")
        return bytes(content)


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
