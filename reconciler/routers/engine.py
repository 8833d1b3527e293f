"""Where a container engine is looked for: `DOCKER_HOST`, the usual sockets, then the lab's private engine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from reconciler.model import bounds

PRIVATE_SOCKET = Path("/run/tunnelwright/engine.sock")


def usual_sockets() -> tuple[Path, ...]:
    """Where engines listen: the system's, then a rootless one of this user."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    rootless = (Path(runtime) / "docker.sock",) if runtime else ()
    return (Path("/var/run/docker.sock"), *rootless)


def check_socket(url: str) -> None:
    """Raises the OSError that says why nothing answers at a unix socket: docker-py hides which it was, and
    forgets to close a socket that a dead engine left it with."""
    scheme, _, path = url.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(bounds.ENGINE_SECONDS)
            probe.connect(path)


def engine_url() -> str:
    """The engine to talk to: the first that listens, also where this user may not go, or the usual one. A
    socket that a dead engine left behind is passed over."""
    named = os.environ.get("DOCKER_HOST", "")
    if named:
        return named
    candidates = [f"unix://{path}" for path in (*usual_sockets(), PRIVATE_SOCKET)]
    return next((url for url in candidates if _listens(url)), candidates[0])


def _listens(url: str) -> bool:
    try:
        check_socket(url)
    except PermissionError:
        return True
    except OSError:
        return False
    return True
