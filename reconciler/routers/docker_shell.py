"""A shell in a container that runs one command after another.

To start a process in a container, the engine prepares namespaces, capabilities and a filter of system calls
for it: far more work than the commands of an observation. A shell that waits there does that once.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shlex
from collections.abc import Sequence
from typing import Any

from reconciler.model import bounds
from reconciler.routers import scripts
from reconciler.routers.allowance import Allowance
from reconciler.routers.docker_exec import Execution, command_name, end_command, run_in_container
from reconciler.routers.scripts import Script
from reconciler.routers.shell_host import Completed

_LINE_BYTES = 65536
"""Of standard input in a line of the shell; more goes to a process of its own."""
_STATUS = re.compile(rb" ([0-9]{1,3})\n")
_STATUS_BYTES = 16
"""More than the mark on standard output has after it: a space, a status, the end of the line."""
_PLAIN = frozenset(b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ,./:;=_-+{}[]"#\n')


class ContainerShell:
    """Started by the first command, and again by the one after a failure. It ends with its standard input, so
    with this process as well.

    Raises docker.errors.DockerException or OSError when the engine fails, and what the allowance raises.
    """

    def __init__(self, api: Any, container: str) -> None:  # noqa: ANN401 - docker-py's APIClient is not typed
        self._api = api
        self._container = container
        self._shell: Execution | None = None

    def run(self, argv: Sequence[str], stdin: bytes, allowance: Allowance) -> Completed:
        """Run a command to its end. A failure of the command is a result, and so is the end of the shell."""
        if len(stdin) > _LINE_BYTES:
            return run_in_container(self._api, self._container, argv, stdin, allowance=allowance)
        if not self.alive():
            # What something there wrote since would be taken for the beginning of the next answer.
            self.close()
        line = b""
        if self._shell is None:
            self._shell = Execution(self._api, self._container, ["sh"], allowance)
            line = f"{scripts.text(Script.CONTAINER_SHELL)}\n".encode()
        mark, name = secrets.token_hex(16), command_name()
        line += _line(argv, stdin, mark, name)
        answer = _Answer(mark.encode())
        try:
            # A shell that was ended before is one whose output has ended.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._shell.send(line, allowance)
            for number, part in self._shell.output(allowance):
                if answer.complete(number, part):
                    return answer.completed(allowance)
            # The engine says of a shell that could not be started why.
            status = self._shell.status(allowance) or 1
        except BaseException:
            # What it still writes would be taken for the next command's.
            self.close()
            end_command(self._api, self._container, name)
            raise
        self.close()
        return answer.broken(status)

    def alive(self) -> bool:
        """Whether the shell still waits, or has not begun."""
        return self._shell is None or self._shell.silent()

    def close(self) -> None:
        """End the shell."""
        if self._shell is not None:
            self._shell.close()
            self._shell = None


class _Answer:
    """What one command writes, up to the marks that the shell sets after it on both of its outputs."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._kept = {1: bytearray(), 2: bytearray()}
        self._ends = {1: b"", 2: b""}
        self._marked: set[int] = set()

    def complete(self, number: int, part: bytes) -> bool:
        """Take what has come; whether that was all."""
        # Of standard error the beginning is kept, and its mark is looked for all the same.
        if number == 1 or len(self._kept[2]) < bounds.ROUTER_STDERR_BYTES:
            self._kept[number] += part
        end = (self._ends[number] + part)[-len(self._mark) - _STATUS_BYTES :]
        self._ends[number] = end
        if self._mark in end and end.endswith(b"\n"):
            self._marked.add(number)
        return len(self._marked) == len(self._ends)

    def completed(self, allowance: Allowance) -> Completed:
        """The result of a command that has ended. Raises AnswerNotUnderstood, which quotes nothing of it."""
        output, _, end = bytes(self._kept[1]).rpartition(self._mark)
        status = _STATUS.fullmatch(end)
        if status is None:
            raise allowance.refused("no exit status at its end")
        return Completed(int(status[1]), output, bytes(self._kept[2]).partition(self._mark)[0])

    def broken(self, status: int) -> Completed:
        """The result of one whose shell has ended."""
        return Completed(status, b"", bytes(self._kept[2] or self._kept[1]))


def _line(argv: Sequence[str], stdin: bytes, mark: str, name: str) -> bytes:
    """The input of the shell, by the functions of `scripts/container-shell.sh`: the command, and to set marks
    after all that it writes."""
    words = ["feed", mark, name, _escaped(stdin), *argv] if stdin else ["run", mark, name, *argv]
    return f"{shlex.join(words)}\n".encode()


def _escaped(data: bytes) -> str:
    """Bytes as `printf %b` reads them (POSIX: `\\0` and up to three octal digits). It is a builtin of
    dash, bash and BusyBox, the shells of supported containers: what may be a key is no process's argument."""
    return "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in data)
