"""An unforeseen error ends one unit of work, and nothing else."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lab.engine import until
from reconciler.model.events import StepEnded
from reconciler.model.isolation import foreign, unforeseen
from reconciler.model.outcome import Status
from reconciler.model.record import Result
from reconciler.model.secret import Secret
from reconciler.operations import converge
from reconciler.operations.observed_plan import compare
from reconciler.service import attribution, loop, reconcile, wanted
from reconciler.service.log import EventLog, attached
from reconciler.service.metric_families import UNITS
from reconciler.service.metrics import Metrics
from reconciler.validate import validate
from tests.unit.service.followed import Followed, followed
from tests.unit.service.test_loop import running
from tests.unit.service.test_metrics import value

ODD = [
    ValueError("odd"),
    RecursionError("deep"),
    MemoryError(),
    OSError(24, "Too many open files"),
    AssertionError(),
]


def has_table(site: Followed) -> bool:
    return site.routers["paris"].host.table is not None


def count(kind: str) -> int:
    return unforeseen().get(kind, 0)


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_a_commit_with_an_unforeseen_error_is_refused_and_the_last_good_one_stays(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = followed(tmp_path)
    good = site.once().head
    head = site.edit("paris-tunnel.yaml", "metadata:", "# odd\nmetadata:")
    real: Callable[..., Any] = validate

    def odd(loaded: Any) -> Any:
        if loaded.digest == site.service().dependencies.repository.load(head).digest:
            raise error
        return real(loaded)

    monkeypatch.setattr(wanted, "validate", odd)
    site.routers["paris"].host.table = None
    before = count("commit")
    record = site.once()
    assert (record.head, record.in_force, record.result) == (head, good, Result.INCOMPLETE)
    assert f"{head[:12]}: an unforeseen error: {type(error).__name__}" in record.message
    assert f"{good[:12]} stays in force" in record.message
    assert has_table(site), "drift is repaired all the same"
    assert count("commit") == before + 1
    assert "unforeseen error in commit" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("module", "place"),
    [
        (reconcile, "compare"),
        (reconcile, "held_back"),
        (reconcile, "decide"),
        (converge, "apply"),
        (converge, "prove"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_an_unforeseen_error_of_a_run_is_recorded_and_the_next_one_repairs(
    error: Exception, module: ModuleType, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*_: Any, **__: Any) -> Any:
        raise error

    site = followed(tmp_path)
    before = count("run")
    with monkeypatch.context() as patched:
        patched.setattr(module, place, odd)
        record = site.once()
    assert record.result is Result.FAILED
    assert f"an unforeseen error: {type(error).__name__}" in record.message
    assert count("run") == before + 1
    [kept] = site.service().dependencies.history.runs(9)
    assert kept.result is Result.FAILED
    assert site.once().result in {Result.CHANGED, Result.IN_SYNC}, "no lock is left"


def test_what_was_applied_is_recorded_though_the_proof_ends_in_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*_: Any, **__: Any) -> Any:
        raise ValueError("odd")

    site = followed(tmp_path)
    monkeypatch.setattr(converge, "prove", odd)
    record = site.once()
    assert record.result is Result.FAILED
    [kept] = site.service().dependencies.history.runs(1)
    assert {ended.status for ended in kept.of(StepEnded)} == {Status.DONE}


def test_the_loop_goes_on_whatever_a_run_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.service.schedule.FIRST_RETRY", 0.01)
    site = followed(tmp_path)
    service = site.service()
    raised: list[int] = []
    real = service.dependencies.history.settle

    def settle() -> None:
        if len(raised) < 3:
            raised.append(1)
            raise MemoryError
        real()

    monkeypatch.setattr(service.dependencies.history, "settle", settle)
    with running(service):
        assert until(lambda: len(site.records) == 1, 20)
    assert len(raised) == 3


@pytest.mark.parametrize("name", ["fetch", "head"])
def test_an_unforeseen_error_of_the_repository_leaves_what_is_known(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = followed(tmp_path)
    head = site.once().head
    service = site.service()

    def odd(*_: object) -> str:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd")

    monkeypatch.setattr(service.dependencies.repository, "fetch", odd)
    if name == "head":
        monkeypatch.setattr(service.dependencies.repository, "head", odd)
    record = service.once()
    assert "an unforeseen error: UnicodeDecodeError" in record.message
    assert (record.head, record.result) == (
        (head, Result.INCOMPLETE) if name == "fetch" else ("", Result.FAILED)
    )


def test_a_notifier_cannot_end_the_service(tmp_path: Path) -> None:
    site = followed(tmp_path)
    service = site.service(saw=lambda _: (_ for _ in ()).throw(KeyError("metrics")))

    def notify(record: Any) -> None:
        site.records.append(record)
        raise BrokenPipeError

    service.notify = notify
    service.interval = 0.05
    with running(service):
        assert until(lambda: len(site.records) > 2, 20)
    assert site.records[0].result is Result.CHANGED


def test_a_router_that_comes_back_oddly_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen error, in the thread that asks absent routers, is not the last question."""
    monkeypatch.setattr("reconciler.service.loop.retry_after", lambda _: 3600.0)
    monkeypatch.setattr("reconciler.service.schedule.FIRST_RETRY", 0.02)
    site = followed(tmp_path)
    site.unplugged["tokyo"] = "no route"
    before = count("router")
    with running(site.service()):
        assert until(lambda: len(site.records) == 1, 20)
        with monkeypatch.context() as patched:
            patched.setattr(site.routers["tokyo"], "close", lambda: 1 / 0)
            site.unplugged.clear()
            assert until(lambda: count("router") > before + 1, 20)
        assert until(lambda: len(site.records) == 2, 20)
    assert (site.records[1].trigger, site.records[1].result) == ("recovered", Result.CHANGED)


def test_unforeseen_traces_cost_nothing_but_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = followed(tmp_path)
    site.once()
    site.routers["paris"].host.table = None
    monkeypatch.setattr(site.routers["paris"].host, "traces", lambda _: 1 / 0)
    assert site.once().result is Result.CHANGED
    monkeypatch.setattr(reconcile, "traces_of_drift", lambda *_: 1 / 0)
    site.routers["paris"].host.table = None
    assert site.once().result is Result.CHANGED


class Clock(datetime):
    """The time of day, which jumps."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.now(tz) + cls.ahead


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_by_a_day(days: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (reconcile, loop, attribution):
        monkeypatch.setattr(module, "datetime", Clock)
    monkeypatch.setattr(Clock, "ahead", timedelta())
    site = followed(tmp_path)
    service = site.service()
    metrics = Metrics(service.dependencies.history)
    seconds: list[float] = []
    service.interval = 0.05

    def notify(record: Any) -> None:
        metrics.ended(record)
        seconds.append(value(metrics, "run_seconds_total"))
        site.records.append(record)
        site.routers["paris"].host.table = None

    look: Callable[..., Any] = compare

    def jump(*what: Any, **how: Any) -> Any:
        """In the middle of each run, there and back again."""
        Clock.ahead = timedelta() if Clock.ahead else timedelta(days=days)
        return look(*what, **how)

    monkeypatch.setattr(reconcile, "compare", jump)
    service.notify = notify
    with running(service):
        assert until(lambda: len(site.records) > 4, 30), "it goes on at its interval"
    assert all(record.finished >= record.started for record in site.records), (
        "nothing takes less than nothing"
    )
    assert seconds == sorted(seconds), "what is counted never goes back"
    # The last one may have been asked to stop.
    assert {record.result for record in site.records[:5]} == {Result.CHANGED}
    kept = service.dependencies.history.runs(9)
    assert [run.id for run in kept] == sorted((run.id for run in kept), reverse=True)
    last = next(run.finished for run in kept if run.result is Result.CHANGED)
    assert value(metrics, "last_success_timestamp_seconds") == pytest.approx(last.timestamp(), abs=1e-3)
    assert Metrics(site.service().dependencies.history)._success == last, "by number, not by time"


def test_what_ends_a_thread_is_an_event_without_keys() -> None:
    stream = StringIO()
    secret = Secret(b"PLANTED-in-a-traceback")
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook

    def odd() -> None:
        raise ValueError(f"cannot load {secret.reveal().decode()}")

    with attached(EventLog(stream)):
        thread = threading.Thread(target=odd, name="odd one")
        thread.start()
        thread.join()
        try:
            odd()
        except ValueError as error:
            sys.excepthook(type(error), error, error.__traceback__)
        logging.getLogger("another.program").warning("what %s says", secret.reveal().decode())
    logged = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(item["event"], item["logger"]) for item in logged] == [
        ("log", "tunnelwright.unforeseen"),
        ("log", "tunnelwright.unforeseen"),
        ("log", "another.program"),
    ]
    assert "in thread (odd one)" in logged[0]["message"]
    assert "Traceback" in logged[0]["message"]
    assert "(redacted)" in logged[2]["message"]
    assert "PLANTED" not in stream.getvalue()
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == hooks


def test_a_log_that_is_full_or_closed_ends_nothing() -> None:
    # Closing it fails too: there is something left to write.
    with suppress(OSError), Path("/dev/full").open("w", buffering=1) as full, attached(EventLog(full)):
        logging.getLogger("tunnelwright").error("it is not written")
    closed = StringIO()
    closed.close()
    with attached(EventLog(closed)):
        foreign("thread", "x", ValueError("it is not written"))


def test_unforeseen_errors_are_counted_by_kind_and_never_go_back(tmp_path: Path) -> None:
    metrics = Metrics(followed(tmp_path).service().dependencies.history)
    before = value(metrics, "unforeseen_errors_total", kind="commit")
    foreign("commit", "abc", ValueError())
    assert value(metrics, "unforeseen_errors_total", kind="commit") == before + 1


def test_the_kinds_are_those_of_the_source() -> None:
    """Every kind that the service's modules use begins as 0, so that its first error is an increase."""
    root = Path(loop.__file__).parents[1]
    text = "".join(path.read_text() for path in root.rglob("*.py") if path.name != "unit.py")
    used = set(re.findall(r'(?:attempt|foreign|tolerance\.of|_tolerance\.of)\(\s*"([a-z-]+)"', text))
    assert used >= {"commit", "run", "web", "forge"}
    assert used <= set(UNITS)
