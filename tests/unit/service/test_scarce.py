"""A service that gets no disk, no file descriptors, or no time: a process of its own under kernel limits."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lab.engine import until
from reconciler.model.errors import ExitCode

ROOT = Path(__file__).parents[3]
BEGIN = """
import http.client, os, resource, socket, sys, threading, time
from contextlib import suppress
from pathlib import Path
from reconciler.history.store import History
from reconciler.model.errors import TunnelwrightError
from reconciler.model.record import Result
from reconciler.service.notifier import Tolerance
from reconciler.service import listener
from reconciler.service.log import attached
from reconciler.service.metrics import Metrics
from reconciler.service.web import Application, WebServer
from tests.unit.service.followed import followed

folder = Path(sys.argv[1])

def limit(kind, soft):
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (hard if soft is None else soft, hard))
"""


def run(script: str, folder: Path) -> str:
    """Run it to its end; what it says on standard error."""
    command = [sys.executable, "-c", BEGIN + textwrap.dedent(script), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def test_a_full_disk_costs_what_is_written_until_there_is_room(tmp_path: Path) -> None:
    said = run(
        """
        with attached(None):
            site = followed(folder)
            service = site.service()
            metrics = Metrics(service.dependencies.history)
            textfile = folder / "tunnelwright.prom"
            warned = []
            tolerance = Tolerance(warned.append)

            def notify(record):
                metrics.ended(record)
                tolerance.of("metrics", "metricsFile", lambda: metrics.write(textfile))

            service.notify = notify
            assert service.once().result is Result.CHANGED
            whole = textfile.read_bytes()
            # Files cannot grow beyond this, as on a disk that is full.
            limit(resource.RLIMIT_FSIZE, 1024)
            site.routers["paris"].host.table = None
            full = service.once()
            assert full.result is Result.CHANGED, full.message
            assert site.routers["paris"].host.table is not None
            again = service.once()
            assert "kept in memory" in again.message, again.message
            assert not service.dependencies.history.is_written
            assert [text.partition(":")[0] for text in warned] == ["metricsFile"], warned
            assert textfile.read_bytes() == whole, "it is whole or not there"
            limit(resource.RLIMIT_FSIZE, None)
            healed = service.once()
            assert service.dependencies.history.is_written
            assert textfile.read_bytes() != whole
            kept = [run.result for run in History(folder / "state" / "history.db").runs(9)]
            assert kept[-2:] == [Result.CHANGED] * 2, kept
        """,
        tmp_path,
    )
    assert "is kept in memory until then" in said
    assert "is written again" in said
    assert "Traceback" not in said


def test_no_file_descriptors_cost_a_run_and_no_service(tmp_path: Path) -> None:
    run(
        """
        with attached(None):
            site = followed(folder)
            service = site.service()
            service.notify = lambda record: site.records.append(record)
            assert service.once().result is Result.CHANGED
            used = max(map(int, os.listdir("/proc/self/fd")))
            limit(resource.RLIMIT_NOFILE, used)
            site.routers["paris"].host.table = None
            for _ in range(3):
                record = service.once()
                assert record.result in {Result.FAILED, Result.INCOMPLETE}, record
                assert record.message
            limit(resource.RLIMIT_NOFILE, None)
            repaired = service.once()
            assert repaired.result is Result.CHANGED, repaired.message
            assert len(site.records) == 5
            assert History(folder / "state" / "history.db").good() == repaired.head
        """,
        tmp_path,
    )


def test_a_web_server_without_file_descriptors_waits_without_turning(tmp_path: Path) -> None:
    run(
        """
        def ask(port):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/healthz")
            return connection.getresponse().status

        server = WebServer(Application(lambda: None, None), "127.0.0.1", 0)
        assert ask(server.port) == 200
        callers = [socket.socket() for _ in range(5)]
        limit(resource.RLIMIT_NOFILE, max(map(int, os.listdir("/proc/self/fd"))))
        held = []
        with suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        for caller in callers:
            caller.connect(("127.0.0.1", server.port))
        turns = []
        look = listener._Server.readable
        listener._Server.readable = lambda server: turns.append(1) or look(server)
        time.sleep(3)
        assert len(turns) < 100, f"{len(turns)} turns in 3 s"
        limit(resource.RLIMIT_NOFILE, None)
        end = time.monotonic() + 20
        while True:
            try:
                assert ask(server.port) == 200
                break
            except OSError:
                assert time.monotonic() < end
        server.close()
        """,
        tmp_path,
    )


SERVICE = """
    import reconciler.service.repository as repository
    from reconciler.cli.main import main
    from reconciler.model import bounds

    bounds.ENDING = 1.0

    def hang(*_):
        Path(folder, "hangs").touch()
        threading.Event().wait()

    if sys.argv[2] == "hang":
        repository.FollowedRepository.fetch = hang
    os.environ |= {"TUNNELWRIGHT_STATE": f"{folder}/state", "TUNNELWRIGHT_REPOSITORY": f"{folder}/none"}
    os.environ["TUNNELWRIGHT_METRICS_FILE"] = f"{folder}/run.prom"
    sys.exit(main(["reconcile"]))
"""


@pytest.mark.parametrize(
    ("how", "sign", "code"), [("idle", "run.prom", ExitCode.OK), ("hang", "hangs", ExitCode.INCOMPLETE)]
)
def test_it_ends_within_its_time_when_it_is_stopped(
    how: str, sign: str, code: ExitCode, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", BEGIN + textwrap.dedent(SERVICE), str(tmp_path), how]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as service:
        assert until((tmp_path / sign).exists, 60)
        service.send_signal(signal.SIGTERM)
        _, said = service.communicate(timeout=60)
    assert service.returncode == code, said
    assert "Traceback" not in said
    if how == "hang":
        assert "did not end within 1 seconds" in said
