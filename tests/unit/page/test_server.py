"""The page's server: who is answered, and what slow, silent and many browsers cost the others."""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from reconciler.model import bounds
from reconciler.model.errors import SourceUnavailable, TunnelwrightError
from reconciler.model.explanation import Explained
from reconciler.model.secret import Secret
from reconciler.page.access import Access
from reconciler.page.changes import Changes
from reconciler.page.html import static
from reconciler.page.samples import Samples
from reconciler.page.server import PageServer
from reconciler.page.snapshot import Snapshot
from reconciler.service.web import Application, WebServer
from tests.unit.page.crawl import ask

HTMX = Path(__file__).parents[3] / "reconciler" / "page" / "static" / "htmx.LICENSE"


class Nothing:
    """A source before anything was observed."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.samples = Samples()
        self.history = None
        self.why_not = ""
        self.held = threading.Event()
        self.held.set()

    def snapshot(self) -> Snapshot | None:
        assert self.held.wait(30)
        return None

    def explained(self, _seen: Snapshot, _ends: Sequence[str]) -> Mapping[str, list[Explained]]:
        raise SourceUnavailable("there is none")

    def raw(self, _commit: str) -> bytes:
        raise SourceUnavailable("there is none")


@contextmanager
def serving(access: Access | None = None, source: Nothing | None = None) -> Iterator[tuple[str, int]]:
    server = PageServer(source or Nothing(), access or Access(), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.port}", server.port
    finally:
        server.close()


def opened(port: int, sent: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=30)
    made.sendall(sent)
    return made


def is_ended(connection: socket.socket) -> bool:
    """Whether the server has ended it, once all that was sent is read."""
    with suppress(ConnectionError):
        while connection.recv(65_536):
            pass
    return True


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def stream(port: int) -> Iterator[tuple[int, socket.socket]]:
    """The stream of changes: its status, and what comes of it."""
    made = opened(port, b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with made:
        head = b""
        while b"\r\n\r\n" not in head:
            head += made.recv(1)
        yield int(head.split()[1]), made


def read_until(connection: socket.socket, text: bytes) -> None:
    found = b""
    while text not in found:
        found += (got := connection.recv(1000))
        assert got, found


def test_what_it_refuses() -> None:
    with serving() as (address, _):
        assert ask(address).status == 200
        refused = ask(address, method="POST")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
        assert ask(address, headers={"Host": "evil.example"}).status == 421
        assert ask(address, method="HEAD").body == b""
        assert "content-security-policy" in refused.headers


def test_a_browser_asks_for_the_token() -> None:
    with serving(Access(token=Secret(b"opensesame"))) as (address, _):
        for path in ("/", "/events", "/static/page.css", "/nothing"):
            refused = ask(address, path)
            assert refused.status == 401
            assert refused.headers["www-authenticate"].startswith("Basic")
            assert b"opensesame" not in refused.body
        assert ask(address, headers={"Authorization": "Bearer opensesame"}).status == 200


def test_a_name_that_is_sent_twice_does_not_count() -> None:
    """The proxy adds its own to what the browser has sent."""
    with serving(Access(identity_header="X-User", proxy="127.0.0.1")) as (address, port):
        assert ask(address, headers={"X-User": "ann"}).status == 200
        assert ask(address).status == 403
        with opened(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-User: a\r\nx-user: b\r\n\r\n") as twice:
            assert b" 403 " in twice.recv(100)


def test_a_browser_keeps_static_files_and_each_content_has_its_address() -> None:
    with serving() as (address, _):
        text = ask(address).text
        for name, (kind, content) in static().items():
            digest = hashlib.sha256(content).hexdigest()[:12]
            kept = ask(address, f"/static/{name}?v={digest}")
            assert (kept.body, kept.headers["content-type"]) == (content, kind)
            assert "immutable" in kept.headers["cache-control"]
            assert f"/static/{name}?v={digest}" in text
            assert ask(address, f"/static/{name}").headers["cache-control"] == "no-cache"
        for path in ("/static/../html.py", "/static/%2e%2e%2fhtml.py", "/static/htmx.LICENSE", "/static/"):
            assert ask(address, path).status == 404


def test_htmx_is_the_one_that_its_note_names() -> None:
    digest = hashlib.sha256(static()["htmx.min.js"][1]).hexdigest()
    assert f"SHA-256: {digest}" in HTMX.read_text()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_half_open_connections_block_no_other(sent: bytes) -> None:
    with serving() as (address, port), ExitStack() as held:
        for _ in range(bounds.PAGE_CONNECTIONS + 20):
            held.enter_context(opened(port, sent))
        assert ask(address).status == 200


def test_a_byte_now_and_then_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PAGE_SECONDS", 0.5)
    with serving() as (_, port), opened(port, b"GET / HTTP/1.1\r\nX: ") as slow:

        def sends_in_vain() -> bool:
            try:
                slow.sendall(b"x")
            except OSError:
                return True
            return False

        until(sends_in_vain)


def test_an_answer_that_is_not_taken_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many were asked for in one go."""
    monkeypatch.setattr(bounds, "PAGE_SECONDS", 1.0)
    request = b"GET /static/htmx.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving() as (address, port), opened(port, request * 1000) as slow:
        assert ask(address).status == 200
        until(lambda: is_reset(slow))


def is_reset(connection: socket.socket) -> bool:
    """Whether the server has ended it, without reading what it has sent."""
    connection.setblocking(False)
    try:
        connection.send(b"x")
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.setblocking(True)
    return False


def test_a_stream_reports_that_something_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PAGE_PAUSE", 0.0)
    source = Nothing()
    with serving(source=source) as (_, port), stream(port) as (status, found):
        assert status == 200
        read_until(found, b"retry:")
        source.changes.changed()
        read_until(found, b"event: changed\ndata: 1\n\n")
        source.changes.changed()
        read_until(found, b"data: 2\n\n")


def test_streams_leave_room_for_requests_and_end_with_their_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PAGE_STREAMS", 2)
    monkeypatch.setattr(bounds, "PAGE_BEAT", 0.05)
    with serving() as (address, port):

        def status() -> int:
            with stream(port) as (found, _):
                return found

        with stream(port) as (first, one), stream(port) as (second, other):
            read_until(one, b"retry:")
            read_until(other, b"retry:")
            assert (first, second) == (200, 200)
            assert status() == 503
            assert ask(address).status == 200
        until(lambda: status() == 200)


def test_a_stream_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PAGE_STREAM_SECONDS", 0.2)
    monkeypatch.setattr(bounds, "PAGE_BEAT", 0.1)
    with serving() as (_, port), stream(port) as (_, found):
        read_until(found, b"\r\n0\r\n\r\n")


def test_more_requests_than_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PAGE_WAITING", 2)
    source = Nothing()
    source.held.clear()
    with serving(source=source) as (address, port):
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with opened(port, request) as one, opened(port, request) as other:
            until(lambda: is_refused(address))
            assert ask(address, "/static/page.css").status == 200
            source.held.set()
            for waiting in (one, other):
                assert b" 200 " in waiting.recv(100)


def is_refused(address: str) -> bool:
    """Whether a request is refused at once, as those beyond the bound are."""
    try:
        return ask(address, seconds=0.5).status == 503
    except (TimeoutError, http.client.HTTPException):
        return False


def test_browsers_of_the_page_leave_the_health_check_alone() -> None:
    health = WebServer(Application(lambda: None, None), "127.0.0.1", 0)
    try:
        with serving() as (_, port), ExitStack() as held:
            for _ in range(2 * bounds.PAGE_CONNECTIONS):
                held.enter_context(opened(port, b"GET / HTTP/1.1\r\n"))
            assert ask(f"http://127.0.0.1:{health.port}", "/healthz").status == 200
    finally:
        health.close()


def test_a_port_that_is_taken_is_an_error() -> None:
    with serving() as (_, port), pytest.raises(TunnelwrightError, match="cannot listen"):
        PageServer(Nothing(), Access(), "127.0.0.1", port)


def test_the_end_of_the_server_is_the_end_of_its_connections(caplog: pytest.LogCaptureFixture) -> None:
    request = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving() as (_, port):
        idle, following = opened(port), opened(port, request)
        read_until(following, b"retry:")
    with idle, following:
        assert is_ended(idle)
        assert is_ended(following)
    assert not caplog.records
