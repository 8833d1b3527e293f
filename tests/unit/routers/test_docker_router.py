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
from reconciler.observe.state import within_one_observation
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from tests.fabrics import two_routers

VERSION = json.dumps({"ApiVersion": "1.44"}).encode()
RUNNING = {"Id": "a" * 64, "Name": "/paris", "State": {"Status": "running"}, "Config": {"Image": "x"}}


@contextmanager
def engine(
    version: bytes, container: bytes, status: int, pause: float = 0.0, others: bytes | None = None
) -> Iterator[str]:
    """An engine that gives these two answers, and `others` where it is asked for all labs; its address."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.endswith("/version")
            if not known:
                over.wait(pause)
            every = others is not None and "role" not in self.path
            body = version if known else (others or b"") if every else container
            self.send_response(200 if known else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "engine"

        def log_message(self, *_: object) -> None:
            """It is not read."""

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


@pytest.mark.parametrize(
    ("labs", "hint"),
    [
        ([], "no lab is up (tunnelwright lab up)"),
        (["first", "second"], "did you mean 'first'? (tunnelwright lab up starts one)"),
        (["pr-1", "pr-2"], "the labs are pr-1, pr-2 (tunnelwright lab up starts one)"),
        (["frist"], "it was started with other documents (tunnelwright lab up)"),
    ],
)
def test_a_lab_that_lacks_the_router_leads_to_those_that_are_up(
    labs: list[str], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = json.dumps([{"Labels": {"tunnelwright.lab": name}} for name in (*labs, *labs)]).encode()
    with engine(VERSION, b"[]", 200, others=others) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(RouterUnreachable, match="lab 'frist' has no router 'paris'") as caught:
            DockerRouter(two_routers().routers["paris"], "frist")
    assert caught.value.hint == hint


def test_an_engine_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ENGINE_SECONDS", 1)
    with engine(VERSION, b"{}", 200, pause=60) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(RouterUnreachable, match=r"the container engine failed: .*timed out"):
            DockerRouter(two_routers().routers["paris"])


def test_what_the_engine_takes_is_part_of_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ROUTER_OBSERVATION_SECONDS_IN_ALL", 1.0)
    with engine(VERSION, b"{}", 200, pause=60) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        fleet = within_one_observation(Fleet(lambda _: DockerRouter(two_routers().routers["paris"])))
        with pytest.raises(RouterUnreachable, match="1 s, the limit for one observation"):
            fleet.connect("paris")
