"""VICI over a unix socket, with strongSwan's own client.

Never over TCP: VICI has no authentication, and who speaks it is root on the router.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from typing import Any, Self

from vici import Session
from vici.exception import CommandException, SessionException

from reconciler.model.errors import CommandRejected, RouterUnreachable
from reconciler.routers.protocol import Message

_PATIENCE = 15.0
"""Seconds for which a silent charon is waited for: one that was asked for more than 512 KiB in one message
never answers."""


class UnixVici:
    """A session with the charon that is behind a connected socket, which it closes in the end."""

    def __init__(self, router: str, connected: socket.socket) -> None:
        self._router = router
        self._socket = connected
        self._socket.settimeout(_PATIENCE)
        self._session = Session(self._socket)

    @classmethod
    def at(cls, router: str, path: str) -> Self:
        """The charon whose socket has this path on this machine. Raises RouterUnreachable."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            raise RouterUnreachable(
                f"charon's VICI socket {path} does not answer: {error.strerror or error}",
                router=router,
                operation="connect",
                hint=_HINTS.get(type(error), "is charon running on the router?"),
            ) from error
        return cls(router, connection)

    def request(self, command: str, message: Message | None = None) -> Message:
        """Send one command and return its reply."""
        try:
            reply: Message = _decode(self._session.request(command, message))
        except (CommandException, SessionException, OSError) as error:
            raise self._failure(command, error) from error
        return reply

    def stream(self, command: str, event: str, message: Message | None = None) -> Iterator[Message]:
        """Send one command and yield the events that it streams."""
        try:
            for item in self._session.streamed_request(command, event, message):
                yield _decode(item)
        except (CommandException, SessionException, OSError) as error:
            raise self._failure(command, error) from error

    def events(self, event: str, pause: float) -> Iterator[Message | None]:
        """Subscribe to an event and yield each one; None whenever there was none for `pause` seconds."""
        try:
            for name, item in self._session.listen([event], pause):
                yield None if name is None else _decode(item)
        except (CommandException, SessionException, OSError) as error:
            raise self._failure(event, error) from error

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _failure(self, command: str, error: Exception) -> CommandRejected | RouterUnreachable:
        if isinstance(error, CommandException):
            text = str(error).removeprefix("Command failed: ")
            return CommandRejected(text, router=self._router, operation=command)
        if "response type 2" in str(error):
            # CMD_UNKNOWN, for which the client has no exception of its own.
            return CommandRejected("unknown command", router=self._router, operation=command)
        return RouterUnreachable(
            f"charon did not answer {command}: {error}", router=self._router, operation=command
        )


_HINTS: dict[type[OSError], str] = {
    PermissionError: "VICI is root-equivalent: run as a user who may open the socket",
    FileNotFoundError: "is the router up, and is the socket's folder shared with this machine?",
}


def _decode(value: Any) -> Any:  # noqa: ANN401 - whatever VICI sends
    """Bytes to str, all the way down. An identity may hold any byte."""
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, Mapping):
        return {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    return value
