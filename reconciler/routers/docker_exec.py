"""Running a command in a container, with standard input, and what it writes, within bounds."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.model import bounds
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.shell_host import Completed

_HEADER = struct.Struct(">BxxxL")
_CHUNK = 65536
_POLL = 0.05
_BROKE_OFF = "the engine broke off in the middle of the output"
_OWN = Limits(600.0, 256 * bounds.MIB)
"""For the lab's own commands."""


def run_in_container(
    api: Any,  # noqa: ANN401 - docker-py's APIClient is not typed
    container: str,
    argv: Sequence[str],
    stdin: bytes = b"",
    *,
    environment: Mapping[str, str] | None = None,
    allowance: Allowance | None = None,
) -> Completed:
    """Run a command to its end. A failure of the command is a result.

    docker-py reads an exec's output from the socket beneath the response's buffer, and so loses what that
    buffer has read along with the headers: the first bytes of a fast answer. Here the frames (Docker Engine
    API, "Stream format") are read from the buffer itself.

    Raises docker.errors.DockerException or OSError when the engine fails, and what the allowance raises.
    """
    allowed = allowance or Allowance(_OWN, "", argv[0])
    with patient(api, allowed):
        created = api.exec_create(container, list(argv), stdin=True, environment=dict(environment or {}))
        stream = api.exec_start(created["Id"], socket=True)
    connection: socket.socket = stream._sock
    reader: io.BufferedReader = stream._response.raw._fp.fp
    output = {1: bytearray(), 2: bytearray()}
    try:
        _send(connection, stdin, allowed)
        while header := _read(connection, reader, _HEADER.size, allowed):
            number, size = _HEADER.unpack(header)
            while size:
                part = _read(connection, reader, min(size, _CHUNK), allowed)
                if not part:
                    raise OSError(_BROKE_OFF)
                size -= len(part)
                if number != 2 or len(output[2]) < bounds.ROUTER_STDERR_BYTES:
                    output[number] += part
    except TimeoutError:
        raise allowed.late() from None
    except (struct.error, KeyError) as error:
        raise OSError(_BROKE_OFF) from error
    finally:
        # Closing the stream alone leaves the connection open until the response is collected.
        stream._response.close()
        connection.close()
    return Completed(_status(api, created["Id"], allowed), bytes(output[1]), bytes(output[2]))


@contextlib.contextmanager
def patient(api: Any, allowance: Allowance) -> Iterator[None]:  # noqa: ANN401 - as above
    """The engine is waited for no longer than an answer may take, nor than its own limit."""
    own = api.timeout
    api.timeout = min(own, allowance.left())
    try:
        yield
    finally:
        api.timeout = own


def _send(connection: socket.socket, stdin: bytes, allowance: Allowance) -> None:
    whole = memoryview(stdin)
    # A command that ends before it has read everything says itself why.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for begin in range(0, len(whole), _CHUNK):
            connection.settimeout(allowance.left())
            connection.sendall(whole[begin : begin + _CHUNK])
            allowance.sent(_CHUNK)
        connection.shutdown(socket.SHUT_WR)


def _read(connection: socket.socket, reader: io.BufferedReader, size: int, allowance: Allowance) -> bytes:
    """So many bytes, or fewer at the end of all."""
    data = b""
    while len(data) < size:
        connection.settimeout(allowance.left())
        part = reader.read1(size - len(data))
        if not part:
            break
        allowance.took(len(part))
        data += part
    return data


def _status(api: Any, command: str, allowance: Allowance) -> int:  # noqa: ANN401 - as above
    """The engine may take a moment to notice that the command has ended."""
    while True:
        with patient(api, allowance):
            status = api.exec_inspect(command).get("ExitCode")
        if status is not None:
            return int(status)
        time.sleep(min(_POLL, allowance.left()))
