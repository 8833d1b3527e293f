"""The service over time: what wakes it, what it waits for, and how it ends."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.engine import until
from reconciler.model.errors import (
    AnswerNotUnderstood,
    CommandRejected,
    RouterUnreachable,
    TunnelwrightError,
)
from reconciler.model.fabric import Fabric
from reconciler.model.record import Result
from reconciler.model.secret import Secret
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.service import loop
from reconciler.service.loop import Service
from reconciler.service.schedule import Absent, retry_after, spread
from reconciler.service.web import Application, WebServer
from tests.unit.service.followed import Followed, followed

SECRET = Secret(b"webhook secret")


@contextmanager
def running(service: Service) -> Iterator[Service]:
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(20)
        assert not thread.is_alive()


def recorded(site: Followed, count: int) -> bool:
    return until(lambda: len(site.records) >= count, 20)


def test_it_looks_at_once_and_then_when_it_is_woken(tmp_path: Path) -> None:
    site = followed(tmp_path)
    with running(site.service()) as service:
        assert recorded(site, 1)
        site.edit("paris-tunnel.yaml", "dh-group14", "dh-group15")
        site.edit("tokyo-tunnel.yaml", "dh-group14", "dh-group15")
        service.wake("webhook")
        assert recorded(site, 2)
    assert [(record.trigger, record.result) for record in site.records] == [
        ("commit", Result.CHANGED),
        ("commit", Result.CHANGED),
    ]


def test_it_looks_again_after_its_interval(tmp_path: Path) -> None:
    site = followed(tmp_path)
    service = site.service()
    service.interval = 0.05
    with running(service):
        assert recorded(site, 3)
    assert site.records[-1].trigger == "interval"
    assert site.records[-1].repeats == 1
    # The last one may have been asked to stop.
    assert max(run.repeats for run in service.dependencies.history.runs(5)) > 1, (
        "runs that find nothing to do are one in the history"
    )


def test_a_router_that_comes_back_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.service.loop.retry_after", lambda _: 3600.0)
    monkeypatch.setattr("reconciler.service.schedule.FIRST_RETRY", 0.05)
    site = followed(tmp_path)
    site.unplugged["tokyo"] = "no route"
    with running(site.service()):
        assert recorded(site, 1)
        assert site.records[0].result is Result.INCOMPLETE
        site.unplugged.clear()
        assert recorded(site, 2)
    assert (site.records[1].trigger, site.records[1].result) == ("recovered", Result.CHANGED)


def test_what_failed_is_tried_again_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.service.schedule.FIRST_RETRY", 0.05)
    site = followed(tmp_path)
    site.routers["paris"].host.lock("you@there:2", 60)
    with running(site.service()):
        assert recorded(site, 2)
        site.routers["paris"].host.unlock("you@there:2")
        assert until(lambda: site.records[-1].result is Result.CHANGED, 20)
    assert site.records[1].trigger == "retry"


def test_times_between_tries_grow_to_ten_minutes() -> None:
    assert [retry_after(n) for n in (1, 2, 3, 8, 1000)] == [5, 10, 20, 600, 600]
    assert [spread(60, 0.5, chance) for chance in (0, 0.5, 1)] == [30, 60, 90]


def test_absent_routers_are_observed_each_in_its_own_time() -> None:
    absent = Absent()
    assert absent.next_due() == float("inf")
    absent.failed("a", "x", 100)
    absent.failed("b", "y", 100)
    absent.failed("b", "y", 105)
    assert (absent.take_due(104), absent.take_due(105), absent.take_due(115)) == ([], ["a"], ["b"])
    assert absent.next_due() == float("inf"), "both are being observed"
    absent.answered("a")
    absent.failed("b", "y", 120)
    assert (absent.reason("a"), absent.reason("b")) == (None, "y")
    assert absent.next_due() == 140
    absent.keep({"a"})
    assert absent.reason("b") is None


def test_failures_that_two_threads_report_at_once_both_count(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)

    class Meeting(dict[str, int]):
        """A reader waits for another one, should there be one."""

        def get(self, key: str, default: Any = None) -> Any:
            found = super().get(key, default)
            with suppress(threading.BrokenBarrierError):
                both.wait(1)
            return found

    absent = Absent()
    monkeypatch.setattr(absent, "_failures", Meeting())
    threads = [threading.Thread(target=absent.failed, args=("a", "x", 100.0)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert absent.next_due() == 100 + retry_after(2)


def test_a_router_that_answers_while_a_run_leaves_it_out_is_back(tmp_path: Path) -> None:
    """It is asked from a thread of its own, in the middle of a run that began without it."""
    site = followed(tmp_path)
    service = site.service()
    site.unplugged["tokyo"] = "no route"
    assert service.once().result is Result.INCOMPLETE
    assert service.absent.reason("tokyo") == "no route"
    site.unplugged.clear()
    real = service.dependencies.fleet_of
    left_out = threading.Event()

    def fleet_of(fabric: Fabric) -> Fleet:
        fleet = real(fabric)

        def answering(name: str) -> Router:
            # The run asks routers side by side: this one waits until the other was left out.
            assert name == "paris"
            assert left_out.wait(20)
            asking = threading.Thread(target=service._observe_one, args=("tokyo", site.fleet))
            asking.start()
            asking.join(20)
            assert not asking.is_alive()
            return fleet.connect(name)

        return replace(fleet, connect=answering)

    reason = service.absent.reason

    def reported(name: str) -> str | None:
        found = reason(name)
        if name == "tokyo":
            left_out.set()
        return found

    service.dependencies = replace(service.dependencies, fleet_of=fleet_of)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(service.absent, "reason", reported)
        record = service.once()
    assert "tokyo is unreachable: no route" in record.message, "it began without it"
    assert service.absent.reason("tokyo") is None
    service.dependencies = replace(service.dependencies, fleet_of=real)
    assert service.once().result is not Result.INCOMPLETE


def test_a_router_that_could_not_even_be_asked_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without threads to spare is an error of the question, which no thread waits for."""
    site = followed(tmp_path)
    service = site.service()
    service.absent.failed("tokyo", "no route", 0.0)
    [name] = service.absent.take_due(1000.0)

    def full(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(loop, "observe", full)
    service._observe_one(name, site.fleet)
    assert "can't start new thread" in str(service.absent.reason("tokyo"))
    assert service.absent.next_due() < float("inf")


@pytest.mark.parametrize(
    ("error", "left_out"),
    [
        (RouterUnreachable("no route"), True),
        (CommandRejected("permission denied"), False),
        (AnswerNotUnderstood("half an answer", where="list-sas"), False),
    ],
)
def test_a_router_that_answers_is_asked_by_the_next_run_whatever_it_answers(
    tmp_path: Path, error: TunnelwrightError, left_out: bool
) -> None:
    site = followed(tmp_path)
    service = site.service()
    service.absent.failed("tokyo", "no route", 0.0)
    [name] = service.absent.take_due(1000.0)

    def connect(_: str) -> Router:
        raise error

    service._observe_one(name, Fleet(connect))
    assert (service.absent.reason("tokyo") is not None) is left_out


@contextmanager
def listening(secret: Secret | None, woken: list[str]) -> Iterator[http.client.HTTPConnection]:
    server = WebServer(Application(lambda: woken.append("webhook"), secret), "127.0.0.1", 0)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        yield connection
    finally:
        connection.close()
        server.close()


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes, **headers: str) -> int:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    response = connection.getresponse()
    response.read()
    return response.status


def test_only_a_signed_webhook_wakes_it() -> None:
    body = b'{"ref": "refs/heads/main"}'
    right = hmac.new(SECRET.reveal(), body, hashlib.sha256).hexdigest()
    wrong = hmac.new(b"another", body, hashlib.sha256).hexdigest()
    woken: list[str] = []
    with listening(SECRET, woken) as connection:
        assert ask(connection, "POST", "/webhook", body) == 403
        assert ask(connection, "POST", "/webhook", body, X_Hub_Signature_256=f"sha256={wrong}") == 403
        assert ask(connection, "POST", "/webhook", b"other", X_Hub_Signature_256=f"sha256={right}") == 403
        assert ask(connection, "POST", "/webhook", body, X_Gitlab_Token="guess") == 403
        assert ask(connection, "GET", "/webhook", b"", X_Hub_Signature_256=f"sha256={right}") == 405
        assert not woken
        assert ask(connection, "POST", "/webhook", body, X_Hub_Signature_256=f"sha256={right}") == 202
        assert ask(connection, "POST", "/webhook", body, X_Gitea_Signature=right) == 202
        assert ask(connection, "POST", "/webhook", body, X_Gitlab_Token=SECRET.reveal().decode()) == 202
        assert len(woken) == 3


def test_it_says_that_it_lives_and_no_more() -> None:
    woken: list[str] = []
    with listening(None, woken) as connection:
        assert ask(connection, "GET", "/healthz", b"") == 200
        assert ask(connection, "POST", "/webhook", b"", X_Gitlab_Token="") == 404
        assert ask(connection, "GET", "/", b"") == 404
    assert not woken


def test_a_port_that_is_taken_is_an_error_with_words() -> None:
    first = WebServer(Application(lambda: None, None), "127.0.0.1", 0)
    try:
        with pytest.raises(TunnelwrightError, match="cannot listen"):
            WebServer(Application(lambda: None, None), "127.0.0.1", first.port)
    finally:
        first.close()


def stale(service: Service) -> None:
    """Nothing was done for long."""
    service._moved = -1e9
    assert service.hangs()


def test_older_history_that_is_fetched_is_progress(tmp_path: Path) -> None:
    """It may take hours; its own bounds end a transfer that stalls, and one that hangs does not ask."""
    service = followed(tmp_path).service()
    trust = service._wired().trust
    stale(service)
    assert not trust.stopping()
    assert not service.hangs()
    service.stop()
    assert trust.stopping()


@pytest.mark.parametrize("verb", ["probe", "lock"])
def test_each_probe_and_each_lock_is_progress(tmp_path: Path, verb: str) -> None:
    site = followed(tmp_path)
    service = site.service()
    quiet: list[bool] = []

    def slow(true: Callable[[], Any]) -> Any:
        quiet.append(bool(service.hangs()))
        service._moved = -1e9
        return true()

    site.twists = {name: {verb: slow} for name in site.routers}
    assert service.once().result is Result.CHANGED
    assert len(quiet) >= 2
    assert not any(quiet), "it moved since the one before"
