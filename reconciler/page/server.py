"""The page behind a socket, in a thread of its own: uvicorn's HTTP, with a bound on connections and on the
time of each, so that slow browsers keep no other one away."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.isolation import attempt
from reconciler.page.access import Access
from reconciler.page.application import Page
from reconciler.page.guard import Guard
from reconciler.page.snapshot import Source

_PAUSE = 0.2
"""Seconds without accepting when that is impossible, and between two looks at what waits."""


class _Connection(H11Protocol):
    """One connection, which knows since when it has been waiting for its browser."""

    waiting_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        self.waiting_since = time.monotonic()
        super().connection_made(transport)

    def on_response_complete(self) -> None:
        """Wait for the response to be taken, and for the next request."""
        self.waiting_since = time.monotonic()
        super().on_response_complete()

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is being done for it, or what was done is not taken."""
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        idle = cycle is None or cycle.response_complete
        return idle or self.transport.get_write_buffer_size() > 0

    def end(self) -> None:
        """End it at once, whatever was not taken."""
        self.transport.abort()


class PageServer:
    """The page at an address, until it is closed."""

    def __init__(self, source: Source, access: Access, address: str, port: int) -> None:
        """Raises TunnelwrightError when it cannot listen there."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            self._listening = socket.create_server((address, port), family=family, backlog=128)
        except OSError as error:
            raise TunnelwrightError(f"cannot listen on {address}:{port}: {error.strerror}") from error
        self._listening.setblocking(False)
        self.port = int(self._listening.getsockname()[1])
        self._guarded = Guard(Page(source).application(), access)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._closing.set()
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(lambda: None)
        self._thread.join(5)

    def _run(self) -> None:
        attempt("page", "listening", lambda: asyncio.run(self._serve()))
        self._listening.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        # Warnings of what is no request would be as many as there are of them.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        config = uvicorn.Config(
            self._guarded,
            lifespan="off",
            interface="asgi3",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(bounds.PAGE_SECONDS),
            h11_max_incomplete_event_size=bounds.PAGE_HEADER,
        )
        config.load()
        state = ServerState()
        taking = asyncio.create_task(self._take(config, state))
        try:
            while not self._closing.is_set():
                await asyncio.sleep(_PAUSE)
                _end_slow(state)
        finally:
            taking.cancel()
            for connection in _connections(state):
                connection.end()
            # Each notices that its browser has gone.
            if state.tasks:
                await asyncio.wait([*state.tasks], timeout=1)

    async def _take(self, config: uvicorn.Config, state: ServerState) -> None:
        """Take browsers, at the cost of those who have waited longest when there are too many."""
        loop = asyncio.get_running_loop()

        def made() -> asyncio.Protocol:
            return _Connection(config, state, {}, loop)

        while True:
            try:
                accepted, _ = await loop.sock_accept(self._listening)
            except OSError:
                # The process has no descriptor left.
                _make_room(state)
                await asyncio.sleep(_PAUSE)
                continue
            if len(state.connections) >= bounds.PAGE_CONNECTIONS and not _make_room(state):
                accepted.close()
                continue
            with suppress(OSError):
                await loop.connect_accepted_socket(made, accepted)


def _connections(state: ServerState) -> list[_Connection]:
    found: Any = state.connections
    return [one for one in found if isinstance(one, _Connection)]


def _waiting(state: ServerState) -> list[_Connection]:
    return sorted((one for one in _connections(state) if one.is_waiting), key=lambda one: one.waiting_since)


def _make_room(state: ServerState) -> bool:
    """Whether a connection could be ended for another one."""
    oldest = _waiting(state)[:1]
    for one in oldest:
        one.end()
    return bool(oldest)


def _end_slow(state: ServerState) -> None:
    now = time.monotonic()
    for one in _connections(state):
        if not one.is_waiting:
            one.waiting_since = now
        elif now - one.waiting_since > bounds.PAGE_SECONDS:
            one.end()
