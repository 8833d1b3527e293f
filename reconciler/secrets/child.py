"""A program that is run for its output: bounded in bytes and in time, in an environment of its own."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.model.errors import TunnelwrightError

_PIECE = 65_536


class GivenUp(TunnelwrightError):
    """The program exceeded a bound, and was ended with all that it had started."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended, and what it wrote."""

    status: int
    output: bytes
    errors: bytes


def run_child(
    words: Sequence[str], given: bytes, environment: Mapping[str, str], *, seconds: float, most: int
) -> Done:
    """Run a program in `/`, with `given` as its standard input, which is a file: it may open it again.

    `most` bounds the bytes of each of its two outputs. Raises GivenUp, and OSError when it cannot be run.
    """
    with tempfile.TemporaryFile() as source:
        source.write(given)
        source.seek(0)
        # A session of its own: what it starts ends with it.
        child = subprocess.Popen(
            words,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )
    with child:
        try:
            deadline = time.monotonic() + seconds
            output, errors = _outputs(child, deadline, seconds, most)
            return Done(child.wait(max(0.0, deadline - time.monotonic())), output, errors)
        except subprocess.TimeoutExpired:
            raise GivenUp(f"did not end within {seconds:.0f} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def _outputs(
    child: subprocess.Popen[bytes], deadline: float, seconds: float, most: int
) -> tuple[bytes, bytes]:
    """Both outputs, read until the program has closed them."""
    streams = [stream for stream in (child.stdout, child.stderr) if stream is not None]
    read = {stream.fileno(): bytearray() for stream in streams}
    with selectors.DefaultSelector() as waiting:
        for stream in streams:
            waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if time.monotonic() >= deadline:
                raise GivenUp(f"did not end within {seconds:.0f} s")
            for key, _ in ready:
                piece = os.read(key.fd, _PIECE)
                if not piece:
                    waiting.unregister(key.fileobj)
                read[key.fd] += piece
                if len(read[key.fd]) > most:
                    raise GivenUp(f"wrote more than {most} bytes")
    output, errors = map(bytes, read.values())
    return output, errors
