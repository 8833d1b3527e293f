"""Running commands in a container, with standard input, and what they write, within bounds."""

from __future__ import annotations

import contextlib
import io
import secrets
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.model import bounds
from reconciler.routers import scripts
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.scripts import Script
from reconciler.routers.shell_host import Completed

_HEADER = struct.Struct(">BxxxL")
_CHUNK = 65536
_POLL = 0.05
_BROKE_OFF = "the engine ended the output before its end"
_NAME = "TUNNELWRIGHT_COMMAND"
"""In the environment of all that a command has started."""
_ENDING = Limits(bounds.ROUTER_ENDING_SECONDS, bounds.ROUTER_WORDS_BYTES)
LAB_LIMITS = Limits(600.0, 256 * bounds.MIB)
"""For the lab's own commands."""


class Execution:
    """A command that the engine has started in a container.

    docker-py reads an exec's output from the socket beneath the response's buffer, and so loses what that
    buffer has read along with the headers: the first bytes of a fast answer. Here the frames (Docker Engine
    API, "Stream format") are read from the buffer itself.

    Raises docker.errors.DockerException or OSError when the engine fails, and what the allowance raises.
    """

    def __init__(
        self,
        api: Any,  # noqa: ANN401 - docker-py's APIClient is not typed
        container: str,
        argv: Sequence[str],
        allowance: Allowance,
        name: str = "",
    ) -> None:
        """`name` is what the command is ended by when it is given up."""
        self._api = api
        known = {_NAME: name} if name else {}
        with within_allowance(api, allowance):
            created = api.exec_create(container, list(argv), stdin=True, environment=known)
            stream = api.exec_start(created["Id"], socket=True)
        self._id = created["Id"]
        self._connection: socket.socket = stream._sock
        self._response = stream._response
        self._reader: io.BufferedReader = stream._response.raw._fp.fp

    def send(self, data: bytes, allowance: Allowance) -> None:
        """Write to its standard input, all at once."""
        self._connection.settimeout(allowance.left())
        self._connection.sendall(data)

    def end_input(self) -> None:
        """It will get no more."""
        self._connection.shutdown(socket.SHUT_WR)

    def output(self, allowance: Allowance) -> Iterator[tuple[int, bytes]]:
        """What it writes, as it comes, to 1 (standard output) or 2 (standard error), until it has ended."""
        try:
            while header := self._read(_HEADER.size, allowance):
                number, size = _HEADER.unpack(header)
                if number not in (1, 2):
                    raise OSError(_BROKE_OFF)
                while size:
                    part = self._read(min(size, _CHUNK), allowance)
                    if not part:
                        raise OSError(_BROKE_OFF)
                    size -= len(part)
                    yield number, part
        except TimeoutError:
            raise allowance.late() from None
        except struct.error as error:
            raise OSError(_BROKE_OFF) from error

    def status(self, allowance: Allowance) -> int:
        """Its exit status; the engine may take a moment to notice that it has ended."""
        while True:
            with within_allowance(self._api, allowance):
                status = self._api.exec_inspect(self._id).get("ExitCode")
            if status is not None:
                return int(status)
            time.sleep(min(_POLL, allowance.left()))

    def silent(self) -> bool:
        """Whether it neither ended nor wrote anything that was not read."""
        try:
            self._connection.setblocking(False)
            if self._reader.peek(1):
                return False
            self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Let go of it: the end of its input ends what waits for that."""
        # Closing the stream alone leaves the connection open until the response is collected.
        self._response.close()
        self._connection.close()

    def _read(self, size: int, allowance: Allowance) -> bytes:
        """So many bytes, or fewer at the end of all."""
        data = b""
        while len(data) < size:
            self._connection.settimeout(allowance.left())
            part = self._reader.read1(size - len(data))
            if not part:
                break
            allowance.took(len(part))
            data += part
        return data


def run_in_container(
    api: Any,  # noqa: ANN401 - as above
    container: str,
    argv: Sequence[str],
    stdin: bytes = b"",
    *,
    allowance: Allowance | None = None,
) -> Completed:
    """Run a command to its end. A failure of the command is a result. Raises what an `Execution` raises."""
    allowed = allowance or Allowance(LAB_LIMITS, "", argv[0])
    name = command_name()
    running = Execution(api, container, argv, allowed, name)
    output = {1: bytearray(), 2: bytearray()}
    try:
        # A command that ends before it has read everything says itself why.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for begin in range(0, len(stdin), _CHUNK):
                chunk = stdin[begin : begin + _CHUNK]
                running.send(chunk, allowed)
                allowed.sent(len(chunk))
            running.end_input()
        for number, part in running.output(allowed):
            if number != 2 or len(output[2]) < bounds.ROUTER_STDERR_BYTES:
                output[number] += part
    except BaseException:
        end_command(api, container, name)
        raise
    finally:
        running.close()
    return Completed(running.status(allowed), bytes(output[1]), bytes(output[2]))


def command_name() -> str:
    """A name that no other command has."""
    return secrets.token_hex(16)


def end_command(api: Any, container: str, name: str) -> None:  # noqa: ANN401 - as above
    """Have all processes of a command that was given up ended, without waiting for it. Where that fails they
    end by their own time limit; why the command was given up is what is reported."""
    allowance = Allowance(_ENDING, "", "end")
    with contextlib.suppress(Exception), within_allowance(api, allowance):
        words = ["sh", "-c", scripts.text(Script.END), "tunnelwright", name]
        created = api.exec_create(container, words)
        api.exec_start(created["Id"], detach=True)


@contextlib.contextmanager
def within_allowance(api: Any, allowance: Allowance) -> Iterator[None]:  # noqa: ANN401 - as above
    """The engine is waited for no longer than an answer may take, nor than its own limit."""
    own = api.timeout
    api.timeout = min(own, allowance.left())
    try:
        yield
    finally:
        api.timeout = own
