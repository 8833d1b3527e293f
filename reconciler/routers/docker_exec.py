"""Running a command in a container, with standard input, and every byte of what it writes."""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.routers.shell_host import Completed

_HEADER = struct.Struct(">BxxxL")
_SILENCE = 120.0
"""Seconds without a byte after which the engine is taken for dead."""


def run_in_container(
    api: Any,  # noqa: ANN401 - docker-py's APIClient is not typed
    container: str,
    argv: Sequence[str],
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> Completed:
    """Run a command to its end. A failure of the command is a result.

    docker-py reads an exec's output from the socket beneath the response's buffer, and so loses what that
    buffer has read along with the headers: the first bytes of a fast answer. Here the frames (Docker Engine
    API, "Stream format") are read from the buffer itself.

    Raises docker.errors.DockerException or OSError when the engine fails.
    """
    created = api.exec_create(container, list(argv), stdin=True, environment=dict(environment or {}))
    stream = api.exec_start(created["Id"], socket=True)
    connection: socket.socket = stream._sock
    reader: io.BufferedReader = stream._response.raw._fp.fp
    output = {1: bytearray(), 2: bytearray()}
    try:
        connection.settimeout(_SILENCE)
        connection.sendall(stdin)
        connection.shutdown(socket.SHUT_WR)
        while header := reader.read(_HEADER.size):
            number, size = _HEADER.unpack(header)
            output[number] += reader.read(size)
    except (struct.error, KeyError) as error:
        raise OSError("the engine broke off in the middle of the output") from error
    finally:
        # Closing the stream alone leaves the connection open until the response is collected.
        stream._response.close()
        connection.close()
    status = api.exec_inspect(created["Id"])["ExitCode"]
    return Completed(int(status), bytes(output[1]), bytes(output[2]))
