"""Where a container engine is looked for: `DOCKER_HOST`, the usual sockets, then the lab's private engine."""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE_SOCKET = Path("/run/tunnelwright/engine.sock")


def usual_sockets() -> tuple[Path, ...]:
    """Where engines listen: the system's, then a rootless one of this user."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    rootless = (Path(runtime) / "docker.sock",) if runtime else ()
    return (Path("/var/run/docker.sock"), *rootless)


def engine_url() -> str:
    """The engine to talk to: the first whose socket is there, or the usual one."""
    named = os.environ.get("DOCKER_HOST", "")
    if named:
        return named
    candidates = (*usual_sockets(), PRIVATE_SOCKET)
    found = next((path for path in candidates if path.is_socket()), candidates[0])
    return f"unix://{found}"
