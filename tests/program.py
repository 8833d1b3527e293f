"""The program in a process of its own, as its users run it, without the second of imports that a start takes.

A server imports all of the reconciler once; each run is a fork of it, with a folder, environment and streams
of its own. Tests of the interpreter's start and end (what is imported, which streams there are, how they are
closed) start it for real instead.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import pkgutil
import random
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]
ENTRY = "from reconciler.cli.main import entry; entry()"
MOST = 1 << 20
"""Bytes of what one run is given, without its input."""
LAZY = ("apprise", "git", "hvac", "rich.console", "rich.text", "zxcvbn")
"""What the reconciler imports only where it needs it."""


def program(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] = os.environ,
    given: bytes = b"",
    script: str = ENTRY,
) -> subprocess.CompletedProcess[bytes]:
    """What `python -c script words` comes to in `folder`, with this environment and input."""
    told = {"words": list(words), "folder": str(folder), "environment": dict(environment), "script": script}
    with TemporaryFile() as put, TemporaryFile() as out, TemporaryFile() as err:
        put.write(given)
        put.seek(0)
        link = _server()
        socket.send_fds(link, [json.dumps(told).encode()], [put.fileno(), out.fileno(), err.fileno()])
        status = int(link.recv(MOST))
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(list(words), status, out.read(), err.read())


@functools.cache
def _server() -> socket.socket:
    """The way to this process's own server, which ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for side in (ours, theirs):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST)
    command = [sys.executable, "-m", "tests.program", str(theirs.fileno())]
    server = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


def _import_all() -> None:
    import lab  # noqa: PLC0415 - in the server alone
    import reconciler  # noqa: PLC0415

    for package in (reconciler, lab):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in LAZY:
        importlib.import_module(name)


def _serve(link: socket.socket) -> dict[str, Any] | None:
    """Fork for each run; what the run is to do in the fork, None in the server when nobody asks any more."""
    while True:
        told, descriptors, _, _ = socket.recv_fds(link, MOST, 3)
        if not told:
            return None
        child = os.fork()
        if child == 0:
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
                os.close(descriptor)
            run: dict[str, Any] = json.loads(told)
            return run
        for descriptor in descriptors:
            os.close(descriptor)
        link.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _become(run: dict[str, Any]) -> NoReturn:
    """Do what the run is to do, as if this process had been started for it."""
    os.chdir(run["folder"])
    os.environ.clear()
    os.environ.update(run["environment"])
    time.tzset()
    random.seed()
    sys.argv = ["-c", *run["words"]]
    status = 0
    try:
        exec(compile(run["script"], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - what was asked for
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        status = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking all modules apart would cost more than most runs.
    os._exit(status)


if __name__ == "__main__":
    _import_all()
    with socket.socket(fileno=int(sys.argv[1])) as _link:
        _told = _serve(_link)
    if _told is not None:
        _become(_told)
