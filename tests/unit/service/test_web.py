"""The web server under attack: a real one on loopback, which has to answer the health check all the while."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from lab.engine import until
from reconciler.model import bounds
from reconciler.model.isolation import unforeseen
from reconciler.model.secret import Secret
from reconciler.service.listener import _Channel
from reconciler.service.web import Application, WebServer
from tests.unit.service.followed import followed

SECRET = Secret(b"webhook secret")
POST = b"POST /webhook HTTP/1.1\r\nHost: a\r\n"


@contextmanager
def serving(application: Application | None = None) -> Iterator[int]:
    server = WebServer(application or Application(lambda: None, SECRET), "127.0.0.1", 0)
    try:
        yield server.port
    finally:
        server.close()


def ask(port: int, path: str = "/healthz", method: str = "GET", seconds: float = 10) -> tuple[int, bytes]:
    """One request as the image's health check makes it. Who is kept out would wait for a minute and more."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def said(port: int, sent: bytes) -> bytes:
    """All that is answered to some bytes, until the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
        with suppress(OSError):  # it may end before all was sent
            caller.sendall(sent)
        found = bytearray()
        try:
            while part := caller.recv(65_536):
                found += part
        except ConnectionResetError:
            pass
    return bytes(found)


ATTACKS = {
    "nothing is sent": b"",
    "half a request line": b"GET /heal",
    "half of the headers": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-",
    "half of a body": POST + b"Content-Length: 100000\r\n\r\nhalf",
    "half of a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nhalf",
    "a body that waits to be asked for": POST + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
}


@pytest.mark.parametrize("sent", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("count", [150, 1_500])
def test_half_open_connections_block_no_other(sent: bytes, count: int) -> None:
    with serving() as port, ExitStack() as stack:
        for number in range(count):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            if number % 50 == 0:
                assert ask(port) == (200, b"alive\n")
            with suppress(OSError):  # its place may be taken already
                caller.sendall(sent)
            if count > 500 and number % 3:
                # As many descriptors as a process usually has are fewer than the attacker's.
                caller.close()
        assert ask(port) == (200, b"alive\n")


def test_callers_who_are_gone_at_once_hold_up_no_other() -> None:
    """Among them those to whom `100 Continue` cannot be sent any more."""
    with serving() as port:
        for number in range(300):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as caller:
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with suppress(OSError):
                    caller.sendall(list(ATTACKS.values())[number % len(ATTACKS)])
        assert ask(port) == (200, b"alive\n")


def test_an_answer_to_go_on_that_fails_is_the_end_of_its_connection_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving() as port:
        with monkeypatch.context() as patched:
            patched.setattr(_Channel, "send", lambda channel, _, **__: channel.handle_close() or 0)
            assert said(port, ATTACKS["a body that waits to be asked for"]) == b""
        assert ask(port) == (200, b"alive\n")


def test_a_byte_now_and_then_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "WEB_SECONDS", 1.0)
    with serving() as port, socket.create_connection(("127.0.0.1", port), timeout=5) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nX: ")

        def is_ended() -> bool:
            try:
                slow.sendall(b"x")
                slow.setblocking(False)
                return slow.recv(1) == b""
            except BlockingIOError:
                return False
            except OSError:
                return True
            finally:
                slow.setblocking(True)

        assert until(is_ended, 20)
        assert ask(port) == (200, b"alive\n")


def test_an_answer_that_is_not_read_holds_up_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than there are threads, each with more than the kernel takes; and no more than a limit."""
    text = b"x" * 20 * 2**20
    application = Application(lambda: None, None, lambda _: ("text/plain", text))
    with serving(application) as port, ExitStack() as stack:
        callers = []
        for _ in range(6):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            caller.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            callers.append(caller)
            assert ask(port) == (200, b"alive\n")
        begun = [caller.recv(12, socket.MSG_WAITALL) for caller in callers]
        assert begun.count(b"HTTP/1.1 200") == bounds.UNTAKEN // len(text)
        assert begun.count(b"HTTP/1.1 503") == len(callers) - bounds.UNTAKEN // len(text)
        monkeypatch.setattr(bounds, "WEB_SECONDS", 2.0)
        assert until(lambda: scraped(port), 30), "they end with their time"


def scraped(port: int) -> bool:
    """Whether the metrics can be had. Who reads on a busy machine runs out of the same time."""
    try:
        return ask(port, "/metrics", seconds=20)[0] == 200
    except http.client.IncompleteRead:
        return False


SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
PIPELINED = 8


def test_who_asks_in_one_go_and_reads_nothing_holds_one_answer_and_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More of them than there are threads, each with more answers than all may hold."""
    text = b"x" * 7 * 2**20
    application = Application(lambda: None, None, lambda _: ("text/plain", text))
    with serving(application) as port, ExitStack() as stack:
        callers = []
        for _ in range(6):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            caller.sendall(SCRAPE * PIPELINED)
            callers.append(caller)
            assert caller.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 200"
            assert ask(port) == (200, b"alive\n")
            assert ask(port, "/metrics", seconds=20)[0] == 200
        found = taken(callers[0])
        assert found.count(b"HTTP/1.1 200") == PIPELINED, "who reads gets all of them"
        monkeypatch.setattr(bounds, "WEB_SECONDS", 0.5)
        assert until(lambda: held(port) == 0, 30), "who does not is ended with its time"
        assert ask(port) == (200, b"alive\n")


def taken(caller: socket.socket) -> bytes:
    """Everything that was answered to one who has asked several times."""
    caller.sendall(b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    return b"".join(iter(lambda: caller.recv(2**20), b""))


def held(port: int) -> int:
    """Connections that the server has not ended. Who reads nothing does not see the end (proc(5))."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    return sum(here.endswith(f":{port:04X}") and state == established for _, here, _, state, *_ in lines)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n" + b"X-Header: and another\r\n" * 10_000 + b"\r\n", b" 431 "),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", b" 431 "),
        (POST + b"Content-Length: 99999999999\r\n\r\n", b" 413 "),
        (POST + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n", b" 4"),
        (POST + b"Content-Length: -1\r\n\r\n", b" 400 "),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65_536 + b"\r\n" * 1, b""),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"zz\r\n", b" 400 "),
        (b"BREW /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b" 405 "),
        (b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n", b" "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b" 400 "),
        (b"GET /%ff%fe%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b" 404 "),
    ],
)
def test_what_is_no_request_of_ours_is_refused(
    sent: bytes, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "WEB_SECONDS", 5.0)
    before = unforeseen()
    with serving() as port:
        assert status in said(port, sent).partition(b"\r\n")[0]
        assert ask(port) == (200, b"alive\n")
    assert unforeseen() == before


def test_a_body_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "WEBHOOK", 2**20)
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    with serving() as port, socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
        caller.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            for _ in range(1_000):
                caller.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        assert sent < 16 * 2**20, "it is ended a little beyond the limit"
        assert ask(port) == (200, b"alive\n")


def test_requests_one_after_the_other_in_one_go_are_answered_in_order() -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with serving() as port:
        found = said(port, one * 500 + last)
    assert found.count(b"HTTP/1.1 200 OK") == 500
    assert found.count(b"HTTP/1.1 404 Not Found") == 1


def test_more_scrapes_than_there_are_threads_for_are_sent_away() -> None:
    begun, released = threading.Semaphore(0), threading.Event()

    def expose(_: str) -> tuple[str, bytes]:
        begun.release()
        released.wait(30)
        return "text/plain", b"metrics"

    with serving(Application(lambda: None, None, expose)) as port:
        found: list[int] = []
        scrapes = [
            threading.Thread(target=lambda: found.append(ask(port, "/metrics", seconds=30)[0]))
            for _ in range(bounds.SCRAPES)
        ]
        for thread in scrapes:
            thread.start()
            assert begun.acquire(timeout=10)
        assert ask(port, "/metrics")[0] == 503
        assert ask(port) == (200, b"alive\n")
        released.set()
        for thread in scrapes:
            thread.join(30)
        assert found == [200] * bounds.SCRAPES


def test_an_unforeseen_error_is_the_request_s_alone() -> None:
    def expose(_: str) -> tuple[str, bytes]:
        raise MemoryError

    before = unforeseen().get("web", 0)
    with serving(Application(lambda: None, None, expose)) as port:
        for _ in range(bounds.SCRAPES + 1):
            assert ask(port, "/metrics")[0] == 500
        assert ask(port) == (200, b"alive\n")
    assert unforeseen()["web"] == before + bounds.SCRAPES + 1


def test_the_health_check_says_when_a_run_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is the interval at its longest, the timeout for tunnels, and a standstill."""
    monkeypatch.setattr(bounds, "STANDSTILL", 0.3)
    site = followed(tmp_path)
    service = site.service()
    service.interval, service.jitter = 0.1, 0
    hanging = threading.Event()
    released = threading.Event()

    def notify(_: object) -> None:
        if hanging.is_set():
            released.wait(60)

    service.notify = notify
    with serving(Application(lambda: None, None, hangs=service.hangs)) as port:
        thread = threading.Thread(target=service.run)
        thread.start()
        assert until(lambda: ask(port)[0] == 200, 10)
        hanging.set()
        assert until(lambda: ask(port)[0] == 503, 20)
        code, text = ask(port)
        assert (code, text[:20]) == (503, b"no progress for 1 s,")
        hanging.clear()
        released.set()
        assert until(lambda: ask(port)[0] == 200, 20), "it works again"
        service.stop()
        thread.join(20)
    assert not thread.is_alive()


def test_progress_within_a_run_is_a_sign_of_life(tmp_path: Path) -> None:
    service = followed(tmp_path).service()
    before = service._moved
    time.sleep(0.01)
    service.once()
    assert service._moved > before
    assert service.hangs() == ""
