"""A child process that is given nothing by accident: a minimal environment, bounded output, bounded time.

What it writes is foreign text.
"""

from __future__ import annotations

import math
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, TypeAlias

from reconciler.model.bounds import CHILD_GRACE_SECONDS, CHILD_WORDS
from reconciler.model.credentials import without_credentials
from reconciler.model.errors import TunnelwrightError
from reconciler.model.listing import counted
from reconciler.model.visible import visible

_CHUNK = 2**16
_LOOK = 0.2
"""Seconds after which a request to stop is noticed."""

Input: TypeAlias = IO[bytes] | int
"""What is a child's standard input: a file, or NOTHING."""
NOTHING: Final = subprocess.DEVNULL
Chunk: TypeAlias = tuple[bool, bytes]
"""Whether it came from standard error, and the bytes."""


class ChildFailed(TunnelwrightError):
    """A child process could not be started, or was ended because it exceeded a bound."""


class ChildLate(ChildFailed):
    """The child was ended because it exceeded its time."""


class ChildStopped(ChildFailed):
    """The child was ended because this process is to end."""


def minimal(*more: str) -> dict[str, str]:
    """The environment of a child: where programs are, and the variables of this process that `more` names.

    Relative places in PATH are left out: the folder that is worked on is not ours.
    """
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    given = {name: os.environ[name] for name in ("TMPDIR", *more) if name in os.environ}
    return given | {"PATH": os.pathsep.join(filter(os.path.isabs, places)), "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a child ended, what it wrote, and what it said of it (`Running.said`)."""

    status: int
    output: bytes
    errors: bytes
    said: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that a child has: between two signs of life, and in all."""

    stall: float
    total: float


@dataclass(slots=True)
class Running:
    """A child that runs, in a process group of its own."""

    process: subprocess.Popen[bytes]
    words: bytearray = field(default_factory=bytearray)
    """The end of what it wrote to standard error."""

    def chunks(self, timeout: Timeouts, stopping: Callable[[], bool]) -> Iterator[Chunk]:
        """What it writes, as it comes, until it ends.

        Raises ChildLate when it exceeds its time, and ChildStopped once `stopping` says so.
        """
        begun = latest = time.monotonic()
        has_ended = False
        with selectors.DefaultSelector() as selector, _exit_of(self.process.pid) as exit_of_it:
            selector.register(exit_of_it, selectors.EVENT_READ)
            for stream, is_error in ((self.process.stdout, False), (self.process.stderr, True)):
                selector.register(_there(stream), selectors.EVENT_READ, is_error)
            while selector.get_map():
                seen = [key for key, _ in selector.select(_LOOK)]
                ready = [key for key in seen if key.fileobj != exit_of_it]
                if has_ended and not ready:
                    # It had ended before this look found its streams empty, so nothing of it is to come. What
                    # it left behind in the background may keep them open.
                    return
                has_ended = len(ready) < len(seen)
                for key in ready:
                    chunk = os.read(key.fd, _CHUNK)
                    if not chunk:
                        selector.unregister(key.fileobj)
                        continue
                    latest = time.monotonic()
                    if key.data:
                        self.words += chunk
                        del self.words[:-CHILD_WORDS]
                    yield key.data, chunk
                if stopping():
                    raise ChildStopped("stopped on request")
                now = time.monotonic()
                if now > latest + timeout.stall:
                    raise ChildLate(f"no output for {timeout.stall:g} s")
                if now > begun + timeout.total:
                    raise ChildLate(f"given up after {timeout.total:g} s in total")

    def code(self) -> int:
        """Its exit status, once `chunks` is at its end; the negative number of the signal that ended it."""
        end = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        if end is None:
            return 0
        return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status

    def said(self) -> str:
        """The last line of standard error that reports a failure, otherwise the last line (`decoded`), at
        most
        CHILD_WORDS characters of it; empty for none."""
        lines = [decoded(line.strip()) for line in re.split(rb"[\r\n]+", bytes(self.words))]
        reported = [line for line in lines if line.startswith(("fatal: ", "error: "))]
        return next(iter([*reported[-1:], *filter(None, reversed(lines))]), "")[:CHILD_WORDS]

    def end(self) -> None:
        """Kill what is left of its group, gently first so that unfinished files go."""
        group = self.process.pid
        if not self._has_ended():
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)
            deadline = time.monotonic() + CHILD_GRACE_SECONDS
            while not self._has_ended() and time.monotonic() < deadline:
                time.sleep(_LOOK / 10)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        for stream in (self.process.stdout, self.process.stderr):
            _there(stream).close()
        self.process.wait()

    def _has_ended(self) -> bool:
        """Whether it has, without reaping it: its group can be killed only while its number is its own."""
        if self.process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def decoded(foreign: bytes) -> str:
    """Foreign bytes as one line for people (`visible`), in which no address has credentials."""
    return without_credentials(visible(foreign.decode(errors="surrogateescape")))


def never() -> bool:
    """For work that cannot be stopped."""
    return False


@contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path = Path("/"),
    stdin: Input = NOTHING,
) -> Iterator[Running]:
    """A child that lives as long as the context. Raises ChildFailed when it cannot be started."""
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A process group to end it by, and no terminal at which it could ask.
            start_new_session=True,
        )
    except OSError as error:
        raise ChildFailed(f"{command[0]} cannot be run: {error.strerror}") from error
    child = Running(process)
    try:
        yield child
    finally:
        child.end()


def finished(
    command: Sequence[str], given: bytes, environment: Mapping[str, str], *, seconds: float, most: int
) -> ChildResult:
    """Run a child to its end in `/`. `given` is its standard input, which is a file: it may open it again.
    The file is in memory alone, since what is given may be secret.

    `most` bounds the bytes of each of its two outputs. Raises ChildFailed.
    """
    wrote = {False: bytearray(), True: bytearray()}
    with ExitStack() as stack:
        try:
            source = stack.enter_context(os.fdopen(os.memfd_create("given"), "w+b"))
            source.write(given)
            source.seek(0)
        except OSError as error:
            raise ChildFailed(f"{command[0]} cannot be given its input: {error.strerror}") from error
        child = stack.enter_context(running(command, environment, stdin=source))
        for is_error, chunk in child.chunks(Timeouts(math.inf, seconds), never):
            wrote[is_error] += chunk
            if len(wrote[is_error]) > most:
                raise ChildFailed(f"wrote more than {counted(most, 'byte')}")
        return ChildResult(child.code(), bytes(wrote[False]), bytes(wrote[True]), child.said())


@contextmanager
def _exit_of(pid: int) -> Iterator[int]:
    """A file descriptor that can be read once the process has ended."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _there(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("the child has no such stream")
    return stream
