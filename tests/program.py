"""The program as a process of its own, without the second that it takes to import what it needs.

A server that has imported the program once forks a process for each run, with its own working directory,
environment, streams and state of modules, as when a shell starts it. What a start costs and imports is
tested in `tests/unit/cli/test_command_line.py`, which starts it by its name.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from reconciler.cli.main import entry

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "tests.program",
        *(
            f"reconciler.cli.commands.{path.stem}"
            for path in (Path(__file__).parents[1] / "reconciler" / "cli" / "commands").glob("[a-z]*.py")
        ),
    ]
)


def program(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    given: bytes = b"",
    before: str = "",
) -> subprocess.CompletedProcess[bytes]:
    """Run the program to its end. `given` is its standard input, `before` Python that runs before it."""
    with tempfile.TemporaryDirectory() as name:
        streams = [Path(name) / stream for stream in ("in", "out", "err")]
        streams[0].write_bytes(given)
        process = _SERVER.Process(target=_run, args=(words, cwd, dict(env or os.environ), streams, before))
        process.start()
        process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(
            words, process.exitcode, *(path.read_bytes() for path in streams[1:])
        )


def _run(
    words: Sequence[str], cwd: Path, environment: Mapping[str, str], streams: Sequence[Path], before: str
) -> None:
    for number, path in enumerate(streams):
        stream = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww")
    )
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    sys.argv = ["tunnelwright", *words]
    exec(before, {"__name__": "before"})  # noqa: S102 - a test's own
    with suppress(BrokenPipeError):
        entry()
