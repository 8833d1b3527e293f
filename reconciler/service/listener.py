"""waitress behind a socket, so that callers who send slowly, nothing, or without end do not block others.

waitress receives and sends in one thread without waiting, and answers in others. What is added: a place for
every newcomer, at the cost of the oldest connections that have not sent a whole request, or do not take their
answer; an end to each connection that takes too long in all; one answer at a time for each of them; and that
nothing ends the thread that listens.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer

from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.isolation import attempt

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_PAUSE = 0.2
"""Seconds without accepting when that is impossible: without it the thread would try without end."""
_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class _Parser(HTTPRequestParser):
    def parse_header(self, header_plus: bytes) -> None:
        """Whatever it cannot read is no request: a length of thousands of digits, for one."""
        try:
            super().parse_header(header_plus)
        except (ValueError, IndexError, LookupError) as error:
            raise ParsingError("a header cannot be read") from error


class _Channel(HTTPChannel):
    """One connection, which knows since when it has been waiting for its caller.

    Its requests may come one after the other in one go. The next one is answered when its caller has taken
    the answer before it: so a connection holds one answer, and no thread waits for who does not read.
    """

    parser_class = _Parser
    connected: bool
    outbuf_lock: Any
    requests: list[HTTPRequestParser]
    requests_lock: Any
    server: Any
    total_outbufs_len: int
    waiting_since: float
    _is_held = False
    """Whether the next request waits until the answer before it was taken."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as it is declared
        self.waiting_since = time.monotonic()
        super().__init__(*args, **options)

    def service(self) -> None:
        """Answer what was asked; from then on it waits for the caller again."""
        with self.outbuf_lock:
            self._is_held = self.connected and self.total_outbufs_len > 0
        if not self._is_held:
            self.waiting_since = time.monotonic()
            super().service()
            self.waiting_since = time.monotonic()

    def handle_write(self) -> None:
        """Send what the caller takes; when that was all, what it has asked next is answered."""
        super().handle_write()
        with self.outbuf_lock:
            goes_on = self._is_held and self.connected and not self.total_outbufs_len
            self._is_held = self._is_held and not goes_on
        if goes_on:
            self.server.add_task(self)

    def is_waiting(self) -> bool:
        """Whether nothing is being done for it, so that the next to do something is its caller."""
        return self._is_held or not self.requests

    def handle_close(self) -> None:
        """End it, with what has come of requests: their files would stay open until they are collected."""
        super().handle_close()
        # It may be called while the lock is held: when `100 Continue` cannot be sent.
        if self.requests_lock.acquire(blocking=False):
            try:
                for request in (self.request, *(self.requests if self._is_held else ())):
                    if request is not None:
                        request.close()
            finally:
                self.requests_lock.release()

    def _flush_outbufs_below_high_watermark(self) -> None:
        """A thread that answers would wait here for the caller."""


class _Server(TcpWSGIServer):
    channel_class = _Channel
    active_channels: Any
    socket: Any
    trigger: Any
    _map: Any
    _accepts_from = 0.0
    _looks_from = 0.0
    _ended_some = False
    """Whether this turn has ended connections. Until the next one no client is accepted: a newcomer could get
    the number of an ended one, and what had happened to that would be taken for its own."""

    def readable(self) -> bool:
        """Whether to accept; called in each turn, before it waits."""
        now = time.monotonic()
        self._ended_some = False
        if now >= self._looks_from:
            self._looks_from = now + 1
            self.trigger.pull_trigger(self._end_slow)
        return bool(self.accepting and now >= self._accepts_from)

    def handle_accept(self) -> None:
        """Take the next callers."""
        room = min(bounds.WEB_TURN, bounds.WEB_CONNECTIONS - len(self.active_channels))
        if room <= 0:
            self._make_room()
            return
        for _ in range(0 if self._ended_some else room):
            try:
                accepted, address = self.socket.accept()
                self.set_socket_options(accepted)
            except OSError as error:
                if error.errno in _SHORT:
                    self._make_room()
                return
            self.channel_class(self, accepted, address, self.adj, map=self._map)

    def handle_error(self) -> None:
        """What goes wrong with one caller is no reason to close the socket for all."""
        self.logger.error("a connection was not accepted", exc_info=True)
        self._accepts_from = time.monotonic() + _PAUSE

    def end(self) -> None:
        """Close all sockets, and with them the loop."""
        self._end(list(self.active_channels.values()))
        wasyncore.close_all(self._map)

    def _make_room(self) -> None:
        oldest = sorted(self._waiting(), key=lambda channel: channel.waiting_since)[: bounds.WEB_TURN]
        if not oldest:
            self._accepts_from = time.monotonic() + _PAUSE
        self._end(oldest)

    def _end_slow(self) -> None:
        since = time.monotonic() - bounds.WEB_SECONDS
        self._end([channel for channel in self._waiting() if channel.waiting_since < since])

    def _end(self, channels: list[_Channel]) -> None:
        self._ended_some = bool(channels) or self._ended_some
        for channel in channels:
            channel.handle_close()

    def _waiting(self) -> list[_Channel]:
        """Those for which nothing is being done."""
        return [channel for channel in list(self.active_channels.values()) if channel.is_waiting()]


class Listener:
    """A server in its thread."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._closing = True
        self._server.task_dispatcher.shutdown()
        # Sockets must be closed by the thread that waits for them. Awake already, it may close this one as
        # well before it is written to.
        with suppress(OSError):
            self._server.trigger.pull_trigger(self._server.end)
        self._thread.join(5)

    def _run(self) -> None:
        while not self._closing:
            if isinstance(attempt("web", "listening", self._server.run), TunnelwrightError):
                time.sleep(_PAUSE)


def listen(application: WSGIApplication, listening: socket.socket) -> Listener:
    """Let an application answer at a socket that listens."""
    # Warnings of a queue that grows would be as many as there are callers.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    options: dict[str, Any] = {
        "sockets": [listening],
        "threads": bounds.WEB_THREADS,
        "max_request_header_size": bounds.WEB_HEADER,
        "max_request_body_size": bounds.WEBHOOK,
        "asyncore_use_poll": True,
        "log_socket_errors": False,
        "ident": None,
    }
    place = (listening.family, listening.type, listening.proto, listening.getsockname())
    server = _Server(
        application,
        {},
        _sock=listening,
        adj=Adjustments(**options),
        bind_socket=False,
        sockinfo=place,
    )
    return Listener(server)
