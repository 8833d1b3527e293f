"""What happens, as structured events: one JSON object a line, as it happens."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO, assert_never

import structlog

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.events import (
    Diagnosed,
    Down,
    Drift,
    DuplicateAddress,
    Event,
    Exposed,
    Foreign,
    Held,
    Impaired,
    LeftOut,
    Overridden,
    PlannedChange,
    PlanSummary,
    Rollback,
    StepEnded,
    ToConfirm,
    Traced,
    Trouble,
    Unreachable,
    UnusedVip,
    Withheld,
)
from reconciler.model.isolation import foreign
from reconciler.model.judgement import Deferral, Refusal
from reconciler.model.outcome import Check, Dropped, Loss, Outcome, Status
from reconciler.model.record import ForeignResult, Result, RunRecord
from reconciler.model.secret import redacted
from reconciler.model.tunnel_event import LASTING, TunnelChange, TunnelEvent
from reconciler.model.way_back import Armed, WentBack
from reconciler.report.encoding import json_text
from reconciler.report.json.apply import logged_step
from reconciler.report.json.events import encode
from reconciler.report.json.run import run_summary
from reconciler.report.json.tunnel import tunnel_event

_LEVEL: dict[Result | ForeignResult, str] = {
    Result.IN_SYNC: "info",
    Result.CHANGED: "info",
    Result.HELD: "info",
    Result.STOPPED: "info",
    Result.INCOMPLETE: "warning",
    Result.ROLLED_BACK: "error",
    Result.FAILED: "error",
}


def _level(event: Event) -> str:
    """The level of what a run found and said; empty for its steps, which were logged when they happened, and
    for what repeats other events."""
    match event:
        case Refusal() | Rollback() | Trouble() | WentBack():
            return "error"
        case Armed() | Diagnosed() | Diagnostic() | Down() | DuplicateAddress() | Impaired() | LeftOut():
            return "warning"
        case Unreachable() | Withheld():
            return "warning"
        case Deferral() | Drift() | Dropped() | Held() | Loss() | PlannedChange() | Traced() | UnusedVip():
            return "info"
        case Check() | Exposed() | Foreign() | Overridden() | PlanSummary() | StepEnded() | ToConfirm():
            return ""
        case _:
            assert_never(event)


class EventLog:
    """Writes events; a person reads `tunnelwright show` instead."""

    def __init__(self, stream: TextIO) -> None:
        self._logger = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                structlog.processors.JSONRenderer(json_text),
            ],
            wrapper_class=structlog.BoundLogger,
        )

    def step(self, outcome: Outcome) -> None:
        """One step of an apply that has ended."""
        level = "info" if outcome.status is Status.DONE else "error"
        self._write(level, "step", **logged_step(outcome))

    def run(self, record: RunRecord) -> None:
        """One run that has ended: what it found, then the run itself."""
        for event in record.events:
            if level := _level(event):
                details = encode(event)
                self._write(level, details.pop("type"), run=record.id, details=details)
        seconds = (record.finished - record.started).total_seconds()
        summary = run_summary(record)
        del summary["id"]
        self._write(
            _LEVEL.get(record.result, "warning"), "run", run=record.id, seconds=round(seconds, 3), **summary
        )

    def tunnel(self, event: TunnelEvent) -> None:
        """What has happened to a tunnel, as its router reported it."""
        bad = {TunnelChange.DOWN, TunnelChange.IMPAIRED, *LASTING}
        level = "warning" if event.change in bad else "info"
        details = tunnel_event(event)
        self._write(level, details.pop("type"), details=details)

    def warned(self, record: logging.LogRecord, text: str) -> None:
        """What the service, or a library, has to say beside its runs."""
        level = "warning" if record.levelno < logging.ERROR else "error"
        self._write(level, "log", logger=record.name, message=text)

    def _write(self, level: str, event: str, **values: Any) -> None:  # noqa: ANN401 - JSON takes anything
        getattr(self._logger, level)(event, **values)


class _Handler(logging.Handler):
    """Python's own logging as events, without keys."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._log.warned(record, redacted(self.format(record)))
        except (OSError, ValueError):
            # Where it goes is closed or full; there is nowhere else to say it.
            return


@contextmanager
def attached(log: EventLog | None) -> Iterator[None]:
    """In this block, what would end a thread unseen is logged, and what libraries warn of becomes an event.
    Without a log of events the command line shows both."""
    handlers = [_Handler(log)] if log is not None else []
    for handler in handlers:
        logging.getLogger().addHandler(handler)
    before = sys.excepthook, threading.excepthook, sys.unraisablehook

    def ended(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        if isinstance(error, Exception):
            foreign("thread", threading.current_thread().name, error)

    sys.excepthook = ended
    threading.excepthook = lambda args: ended(args.exc_type, args.exc_value or SystemExit(), None)
    sys.unraisablehook = lambda args: ended(args.exc_type, args.exc_value or SystemExit(), None)
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = before
        for handler in handlers:
            logging.getLogger().removeHandler(handler)
