"""Finds a container engine on this machine, or starts a private one.

The private engine has its own data, socket and pid file, and neither a bridge nor firewall rules
(`--bridge=none --iptables=false`): the lab wires its containers itself, so nothing on the host changes.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker import APIClient
from docker.errors import DockerException
from requests import RequestException

from reconciler.model.errors import TunnelwrightError
from reconciler.routers.engine import PRIVATE_SOCKET, check_socket, usual_sockets

Progress = Callable[[str], None]
"""Receives one line of text for each thing that takes a while."""

PRIVATE_DATA = Path("/var/lib/tunnelwright/engine")
PRIVATE_RUN = PRIVATE_SOCKET.parent
REQUEST_TIMEOUT = 300
"""Seconds for one request to the engine: building an image step by step stays below it."""
START_DEADLINE = 60.0
STOP_DEADLINE = 40.0
POLL = 0.05
LOCK_TRIES = 1000
_launched: list[subprocess.Popen[bytes]] = []


class EngineUnavailable(TunnelwrightError):
    """No container engine answers, and none could be started."""


class EngineRefused(TunnelwrightError):
    """The engine answered a request with an error, or broke off."""


def quiet(_line: str) -> None:
    """Progress that is not shown."""


def until(condition: Callable[[], bool], timeout: float, *, poll: float = POLL) -> bool:
    """Ask again and again until the condition holds (True) or `timeout` seconds passed (False)."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll)
    return True


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answered. `url` is what `DOCKER_HOST` would be."""

    url: str
    private: bool = False

    @contextmanager
    def connect(self) -> Iterator[APIClient]:
        """A low-level client of its own: one for each thread, as its HTTP session is not shared."""
        with refused(), closing(self.client()) as client:
            yield client

    def client(self) -> APIClient:
        """The same; the caller closes it."""
        return APIClient(base_url=self.url, version="auto", timeout=REQUEST_TIMEOUT)

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with `DOCKER_HOST` for the `docker` command."""
        return {**os.environ, "DOCKER_HOST": self.url}


@contextmanager
def refused() -> Iterator[None]:
    """What a client of an engine raises is an `EngineRefused`."""
    try:
        yield
    except (DockerException, RequestException) as error:
        raise EngineRefused(f"the container engine refuses: {error}") from error


def find_engine(progress: Progress = quiet) -> Engine:
    """The engine of `DOCKER_HOST`, else of a usual socket, else a private one (root on Debian).

    Raises `EngineUnavailable`, which says what stood in the way.
    """
    wanted = os.environ.get("DOCKER_HOST", "")
    if wanted:
        if not wanted.startswith("unix://"):
            raise EngineUnavailable(
                f"the engine at {wanted} is not on this machine",
                hint="the lab shares directories with its containers: set DOCKER_HOST to a unix socket",
            )
        _refuse_forbidden(Path(wanted.removeprefix("unix://")))
        if answers(wanted):
            return Engine(wanted)
        raise EngineUnavailable(
            f"no engine answers at DOCKER_HOST={wanted}", hint="start it, or unset DOCKER_HOST"
        )
    found = _usual_engine()
    if found:
        return found
    if answers(private_url()):
        return Engine(private_url(), private=True)
    if os.geteuid() != 0:
        for path in usual_sockets():
            _refuse_forbidden(path)
        raise EngineUnavailable(
            "no container engine answers",
            hint="start Docker, or run as root on Debian to start a private engine",
        )
    return start_private(progress)


def private_url() -> str:
    """Address of the private engine, running or not."""
    return f"unix://{PRIVATE_RUN / PRIVATE_SOCKET.name}"


def answers(url: str) -> bool:
    """Whether an engine answers a ping at this address within seconds."""
    try:
        check_socket(url)
        with closing(APIClient(base_url=url, timeout=5)) as client:
            return bool(client.ping())
    except (DockerException, OSError):
        return False


def start_private(progress: Progress = quiet) -> Engine:
    """Start the private engine, or return the one that runs. Needs root; safe to call at once twice.

    Raises `EngineUnavailable` with the end of the engine's log when it does not come up.
    """
    PRIVATE_RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    with locked(PRIVATE_RUN / "engine.lock"):
        if answers(private_url()):
            return Engine(private_url(), private=True)
        if install_missing({"dockerd": "docker.io"}, progress):
            # Where an init system runs, the package has just started the usual engine.
            found = _usual_engine()
            if found:
                return found
        progress("starting a private container engine")
        return _launch()


def private_runs() -> bool:
    """Whether the private engine runs."""
    return _private_pid() is not None


def stop() -> bool:
    """Stop the private engine and its containers; False when none runs.

    Raises `EngineUnavailable` when its process does not end.
    """
    if not PRIVATE_RUN.is_dir():
        return False
    with locked(PRIVATE_RUN / "engine.lock"):
        pid = _private_pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        if not until(lambda: _private_pid() is None, STOP_DEADLINE):
            raise EngineUnavailable(f"the private engine (process {pid}) does not end")
        for process in [process for process in _launched if process.pid == pid]:
            process.wait()
            _launched.remove(process)
        _unmount_leftovers()
        return True


def retire(engine: Engine) -> bool:
    """Stop an engine that this project started, unless it has containers: another lab, the demo or a run
    of the tests may be using it. Returns whether it was stopped.

    Raises `EngineRefused`, and `EngineUnavailable` when its process does not end.
    """
    if not engine.private:
        return False
    with engine.connect() as client:
        if client.containers(all=True, quiet=True):
            return False
    return stop()


def install_missing(packages: dict[str, str], progress: Progress = quiet) -> bool:
    """Install Debian packages for commands that are missing (command → package); True if any was.

    Raises `EngineUnavailable` elsewhere than on Debian, without root, or when apt-get fails.
    """
    names = sorted(package for command, package in packages.items() if not shutil.which(command))
    if not names:
        return False
    if os.geteuid() != 0 or not _is_debian():
        raise EngineUnavailable(f"missing: {', '.join(names)}", hint="install it with your package manager")
    progress(f"installing {', '.join(names)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *names]):
        done = subprocess.run(
            ["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise EngineUnavailable(f"apt-get cannot install {', '.join(names)}", hint=done.stderr.strip()[-500:])
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; a second process waits. Freed when the process ends.

    The file is removed at the end. Raises `EngineUnavailable` when the lock changes hands too often.
    """
    for _ in range(LOCK_TRIES):
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # The holder before may have removed the file while this one waited for it.
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                try:
                    yield
                finally:
                    path.unlink()
                return
    raise EngineUnavailable(f"{path} cannot be locked")


def _usual_engine() -> Engine | None:
    for path in usual_sockets():
        if answers(f"unix://{path}"):
            return Engine(f"unix://{path}")
    return None


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def _refuse_forbidden(path: Path) -> None:
    """Distinguish "no permission" from "not there": the two need different remedies."""
    if _is_socket(path) and not os.access(path, os.R_OK | os.W_OK):
        raise EngineUnavailable(
            f"permission denied on the engine's socket {path}",
            hint="join the group that owns it (often 'docker') and log in again, or use root",
        )


def _is_debian() -> bool:
    release = platform.freedesktop_os_release()
    return "debian" in (release.get("ID", ""), *release.get("ID_LIKE", "").split())


def _launch() -> Engine:
    PRIVATE_DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = PRIVATE_DATA / "engine.log"
    pidfile = PRIVATE_RUN / "engine.pid"
    if _private_pid() is None:
        pidfile.unlink(missing_ok=True)  # what a crash left behind makes dockerd refuse to start
    command = [
        "dockerd",
        f"--data-root={PRIVATE_DATA / 'data'}",
        f"--exec-root={PRIVATE_RUN / 'exec'}",
        f"--pidfile={pidfile}",
        f"--host={private_url()}",
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    up = until(lambda: process.poll() is not None or answers(private_url()), START_DEADLINE)
    if up and process.poll() is None:
        _launched.append(process)
        return Engine(private_url(), private=True)
    process.kill()
    process.wait()
    raise EngineUnavailable(
        "the private container engine does not start", hint=log.read_text(errors="replace")[-800:].strip()
    )


def _unmount_leftovers() -> None:
    """dockerd leaves the mount of its own network namespace, which would keep its directory busy."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        target = Path(line.split(" ")[1])
        if target.is_relative_to(PRIVATE_RUN / "exec"):
            subprocess.run(["umount", str(target)], capture_output=True, check=False)


def _private_pid() -> int | None:
    """The private engine's process, made sure by its own command line: pids are used again."""
    try:
        pid = int((PRIVATE_RUN / "engine.pid").read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    ours = f"--host={private_url()}".encode()
    return pid if Path(os.fsdecode(arguments[0])).name == "dockerd" and ours in arguments else None
