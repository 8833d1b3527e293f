"""Whatever answers in a forge's place: one failed notification, and the next one is sent."""

from __future__ import annotations

import gzip
import threading
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.engine import until
from reconciler.forges import api
from reconciler.forges.choose import forge
from reconciler.forges.forge import CommitStatus, ForgeError, Kind, State
from reconciler.history.kept import Kept
from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.isolation import unforeseen
from reconciler.model.notification import SentStatus
from reconciler.model.record import Result, RunRecord
from reconciler.model.secret import Secret
from reconciler.service.notifier import CommitStatuses, Notifier
from tests.forges import PROJECT, SHA, TOKEN, Answer, forge_server, misbehaving

DIGITS = "9" * 5_000
DEEP = "[" * 200_000
NOW = datetime(2026, 11, 25, tzinfo=UTC)
ODD = {
    "a redirect to an invalid address": Answer(308, {}, {"Location": "http://[bad"}),
    "a redirect to a port that is none": Answer(308, {}, {"Location": "http://host:99999999/"}),
    "a redirect that is no text": Answer(307, {}, {"Location": "\xff\xfe\x80"}),
    "a redirect without a place": Answer(302, {}),
    "a number of 5,000 digits": Answer(400, f'{{"message": {DIGITS}}}'),
    "such a number inside": Answer(422, f'{{"message": {{"base": [{DIGITS}]}}}}'),
    "a list 200,000 deep": Answer(400, DEEP),
    "a string that is no text": Answer(400, '{"message": "\\ud800"}'),
    "not JSON": Answer(400, "<html>"),
    "another shape": Answer(400, '["message"]'),
    "an endless wait that is asked for": Answer(429, {}, {"Retry-After": "9" * 5_000}),
    "a wait in letters": Answer(429, {}, {"Retry-After": "soon"}),
    "a link that is none": Answer(400, {}, {"Link": '<http://[bad>; rel=next; ====, <;;;>, "'}),
}


def ask(port: int) -> None:
    forge(Kind.GITHUB, f"http://127.0.0.1:{port}", PROJECT, Secret(TOKEN.encode())).set_status(
        CommitStatus(SHA, "main", State.SUCCESS, "tunnelwright", "changed")
    )


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_one_odd_answer_costs_one_notification(
    odd: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.service.schedule.FIRST_RETRY", 0.01)
    monkeypatch.setattr(api, "_TRIES", 1)
    before = unforeseen()
    history = Kept(tmp_path / "history.db")
    record = RunRecord(NOW, NOW, "once", SHA, SHA, Result.IN_SYNC, "")
    said: list[str] = []
    with forge_server(Kind.GITHUB) as server:
        server.faults = [odd, odd]
        github = forge(Kind.GITHUB, server.url, PROJECT, Secret(TOKEN.encode()))
        notifier = Notifier([CommitStatuses("status", lambda: github, history, "main", "x")], said.append)
        notifier.notify(record)
        assert until(lambda: len(server.statuses) == 1, 20), said
        notifier.close(5)
    assert len(said) == 1, "it is said once"
    assert ("redirects to" in said[0]) is (300 <= odd.status < 400)
    assert TOKEN not in said[0]
    assert unforeseen() == before, "each of them is foreseen"
    assert history.sent("status") == SentStatus(SHA, "in sync")


BEGIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
STREAMS = {
    "nothing": (b"", b"", "in time"),
    "a header, a byte now and then": (b"HTTP/1.1 200 OK\r\nX: ", b"x", "in time"),
    "a body, a byte now and then": (BEGIN + b"Content-Length: 99999999\r\n\r\n", b" ", "in time"),
    "informational answers without end": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "in time"),
    "headers without end": (
        BEGIN,
        b"X-Header: and another\r\n" * 1_000,
        "reached|no answer|in time",
    ),
    "a line without end": (BEGIN + b"X: ", b"x" * 65_536, "reached|no answer|in time"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", b"", "in time|cannot be reached"),
    "a chunk of a size that is none": (
        BEGIN + b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"",
        "no answer|reached|in time",
    ),
}


@pytest.mark.parametrize(("first", "chunk", "said"), STREAMS.values(), ids=STREAMS)
def test_an_answer_that_does_not_end_is_given_up(
    first: bytes, chunk: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "FORGE_SECONDS", 1.0)
    with misbehaving(first, chunk, pause=0.02 if len(chunk) < 100 else 0) as port:
        found: list[TunnelwrightError] = []

        def work() -> None:
            with pytest.raises(ForgeError, match=said) as raised:
                ask(port)
            found.append(raised.value)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
        assert found, "it is given up after a second in all, whatever comes"
        assert TOKEN not in str(found[0])


@pytest.mark.parametrize("header", [b"", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_without_end_is_not_kept(header: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FORGE_ANSWER", 2**20)
    chunk = b" " * 2**16
    chunk = b"10000\r\n" + chunk + b"\r\n" if header else chunk
    with misbehaving(BEGIN + header + b"\r\n", chunk) as port:
        tracemalloc.start()
        with pytest.raises(ForgeError, match="more than 1,048,576 bytes"):
            ask(port)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 8 * 2**20


def test_a_packed_answer_is_bounded_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FORGE_ANSWER", 2**20)
    packed = gzip.compress(b" " * 100 * 2**20)
    head = BEGIN + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with (
        misbehaving(head + packed, b"") as port,
        pytest.raises(ForgeError, match="more than 1,048,576 bytes"),
    ):
        ask(port)


def test_pages_have_an_end_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FORGE_LIST", 2**20)
    with forge_server(Kind.GITHUB) as server:
        for _ in range(250):
            server.comment("alice", "x" * 10_000)
        with pytest.raises(ForgeError, match="more than 100 pages or 1048576 bytes"):
            forge(Kind.GITHUB, server.url, PROJECT, Secret(TOKEN.encode())).put_comment(7, "<!--", "<!-- -->")


def test_the_time_for_one_question_includes_its_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FORGE_SECONDS", 6.0)
    with forge_server(Kind.GITHUB) as server:
        server.faults = [
            Answer(503, {}, {"Retry-After": "4"}),
            Answer(503, {}, {"Retry-After": "4"}),
            Answer(201),
        ]
        with pytest.raises(ForgeError, match="answered 503"):
            ask(int(server.host.rpartition(":")[2]))
        assert len(server.requests) == 2
