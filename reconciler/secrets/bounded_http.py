"""A `requests` session whose answers are bounded in bytes, and whose connections in time, all together.

The time limit of `requests` begins anew with every byte: who sends one now and then is waited for for ever.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_PIECE = 65_536


class TooLong(requests.RequestException):
    """An answer has more bytes than it may have."""


class _Watch:
    """Shuts every connection when the time is over: whatever waits for one of them goes on at once."""

    def __init__(self, seconds: float) -> None:
        self._connections: list[socket.socket] = []
        self.over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def add(self, connection: socket.socket) -> None:
        """Watch a connection. A copy of it is kept, since TLS takes the original one over."""
        with self._lock:
            self._connections.append(connection.dup())
            if self.over:
                self._shut()

    def _end(self) -> None:
        with self._lock:
            self.over = True
            self._shut()

    def _shut(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Watch no more."""
        self._timer.cancel()
        with self._lock:
            for connection in self._connections:
                connection.close()


def _pools(watch: _Watch) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            watch.add(connection)
            return connection

    class Encrypted(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            watch.add(connection)
            return connection

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


class _Bounded(HTTPAdapter):
    """Reads answers whole, up to a number of bytes, unpacked ones."""

    def __init__(self, watch: _Watch, most: int) -> None:
        self._watch = watch
        self._pools = _pools(watch)
        self._most = most
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> PoolManager:  # noqa: ANN401
        manager: PoolManager = super().proxy_manager_for(*arguments, **named)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def send(self, *arguments: Any, **named: Any) -> requests.Response:  # noqa: ANN401
        answer = super().send(*arguments, **{**named, "stream": True})
        content = bytearray()
        with contextlib.closing(answer):
            for piece in answer.iter_content(_PIECE):
                content += piece
                if len(content) > self._most:
                    raise TooLong(f"more than {self._most} bytes")
        if self._watch.over:
            # Without a length an answer that was cut looks whole.
            raise requests.ConnectionError("the time was over")
        answer._content = bytes(content)
        return answer


@contextmanager
def bounded_session(seconds: float, most: int) -> Iterator[requests.Session]:
    """A session of which every answer has at most `most` bytes, and all of which take at most `seconds`: then
    it fails with `requests.ConnectionError` at once."""
    watch = _Watch(seconds)
    try:
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Bounded(watch, most))
            yield session
    finally:
        watch.close()
