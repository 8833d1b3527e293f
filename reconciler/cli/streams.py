"""The standard streams of the process. If one is closed, full or not read, its output is lost, but the
command continues to its end; only then it reports the loss."""

from __future__ import annotations

import atexit
import errno
import io
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TextIO

from reconciler.model.errors import ExitCode

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READER_GONE = 141
"""The exit code when the reader of standard output has closed it: 128 and SIGPIPE, as in a shell."""


class _Stream(io.FileIO):
    """Takes everything: what cannot be written is dropped, and the first reason kept in `failure`."""

    failure: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or drop. A file that has room again is written to again."""
        while True:
            try:
                written: int | None = super().write(data)
            except OSError as error:
                self.failure = self.failure or error
                return memoryview(data).nbytes
            if written is not None:
                return written
            # A process that shares the stream has made it one that does not wait, as Node does in CI jobs.
            select.select([], [self], [])


def program(main: Callable[[], int]) -> NoReturn:
    """Run the whole process: `main` gives its exit code, which a lost output changes only from 0."""
    if sys.stdin is None:
        sys.stdin = open(_placeholder(), encoding="utf-8", closefd=False)  # noqa: SIM115 - a number
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    output = _opened(sys.stdout)
    sys.stdout = _text(output, sys.stdout, at_once=output.isatty())
    sys.stderr = _text(_opened(sys.stderr), sys.stderr, at_once=True)
    try:
        code = main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    sys.stdout.flush()
    if output.failure is not None:
        reason = os.strerror(output.failure.errno or 0)
        sys.stderr.write(f"error: standard output could not be written in full: {reason}\n")
        if code == ExitCode.OK:
            code = READER_GONE if output.failure.errno == errno.EPIPE else ExitCode.ERROR
    sys.stderr.flush()
    _end(code)


def _end(code: int) -> NoReturn:
    """End the process without freeing each of its values, once what is registered for its end is done. Where
    other threads are left, Python waits for them."""
    if threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def output_lost() -> bool:
    """Whether standard output was not written in full: its reader is gone, or its disk is full. A command
    that would go on without end ends then."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Stream) and raw.failure is not None


def _opened(stream: TextIO | None) -> _Stream:
    return _Stream(_placeholder() if stream is None else stream.fileno(), "w", closefd=False)


def _placeholder() -> int:
    """For a stream that was closed: its number, the lowest free one, which a file opened later must not get.
    Reading gives nothing, and writing fails."""
    number = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(number, True)
    return number


def _text(stream: _Stream, before: TextIO | None, *, at_once: bool) -> TextIO:
    """What its encoding lacks is written as an escape: no run ends for a tick that a terminal cannot show."""
    return io.TextIOWrapper(
        io.BufferedWriter(stream),
        encoding="utf-8" if before is None else before.encoding,
        errors="backslashreplace",
        line_buffering=at_once,
    )
