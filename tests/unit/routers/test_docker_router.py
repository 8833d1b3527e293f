"""A container engine that answers anything, or nothing, is an error of the router that it stands for."""

from __future__ import annotations

import json
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from reconciler.model import bounds
from reconciler.model.errors import RouterUnreachable
from reconciler.observe.state import within_one_look
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from tests.fabrics import two_routers

VERSION = json.dumps({"ApiVersion": "1.44"}).encode()
RUNNING = {"Id": "a" * 64, "Name": "/paris", "State": {"Status": "running"}, "Config": {"Image": "x"}}


@contextmanager
def engine(version: bytes, container: bytes, status: int, pause: float = 0.0) -> Iterator[str]:
    """An engine that gives these two answers; its address."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.endswith("/version")
            if not known:
                over.wait(pause)
            body = version if known else container
            self.send_response(200 if known else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "engine"

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = False

        def handle_error(self, *_: object) -> None:
            """A client that has gone is what is tried here."""

    with tempfile.TemporaryDirectory(prefix="tw") as folder:
        path = str(Path(folder) / "engine.sock")
        with Server(path, Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield f"unix://{path}"
            finally:
                over.set()
                server.shutdown()
                thread.join()


@pytest.mark.parametrize(
    ("version", "container", "status"),
    [
        (b"no JSON", b"", 200),
        (b"[]", b"", 200),
        (VERSION, b"no JSON", 200),
        (VERSION, b"[]", 200),
        (VERSION, b"{}", 200),
        (VERSION, b"5", 200),
        (VERSION, json.dumps(RUNNING | {"State": 5}).encode(), 200),
        (VERSION, json.dumps(RUNNING).encode(), 200),
        (VERSION, json.dumps(RUNNING | {"Mounts": [{"Destination": 5}]}).encode(), 200),
        (VERSION, json.dumps(RUNNING | {"Mounts": [5]}).encode(), 200),
        (VERSION, b"the engine is ill", 500),
        (VERSION, json.dumps({"message": 5}).encode(), 404),
    ],
)
def test_an_engine_that_answers_nonsense(
    version: bytes, container: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine(version, container, status) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(RouterUnreachable) as caught:
            DockerRouter(two_routers().routers["paris"])
    assert (caught.value.router, caught.value.operation) == ("paris", "connect")


def test_an_engine_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ENGINE_SECONDS", 1)
    with engine(VERSION, b"{}", 200, pause=60) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(RouterUnreachable, match=r"the container engine failed: .*timed out"):
            DockerRouter(two_routers().routers["paris"])


def test_what_the_engine_takes_is_part_of_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ROUTER_LOOK_SECONDS_IN_ALL", 1.0)
    with engine(VERSION, b"{}", 200, pause=60) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        fleet = within_one_look(Fleet(lambda _: DockerRouter(two_routers().routers["paris"])))
        with pytest.raises(RouterUnreachable, match="the 1 s that one look has for them"):
            fleet.connect("paris")
