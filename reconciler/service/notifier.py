"""Notifiers: send notifications about runs outside of the runs, which neither wait for them nor fail
with them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from reconciler.forges.forge import CommitStatus, Forge, State
from reconciler.history.store import History
from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import Rollback
from reconciler.model.isolation import attempt
from reconciler.model.notification import Lasting, Notification, SentMessages, SentStatus, Topic
from reconciler.model.record import ForeignResult, Result, RunRecord
from reconciler.service import notifications, schedule
from reconciler.service.metric_families import UNREADABLE

_log = logging.getLogger("tunnelwright.notify")

_STATES: dict[Result | ForeignResult, State] = {
    Result.IN_SYNC: State.SUCCESS,
    Result.CHANGED: State.SUCCESS,
    Result.HELD: State.PENDING,
    Result.INCOMPLETE: State.PENDING,
    Result.ROLLED_BACK: State.FAILURE,
    Result.FAILED: State.FAILURE,
}


class Receiver(Protocol):
    """A receiver of notifications. The history keeps what it was sent, so that nothing is sent twice, and
    what could not be sent is sent later."""

    name: str

    def receive(self, record: RunRecord) -> None:
        """Receive the latest run. Raises TunnelwrightError when the notification could not be sent."""
        ...


class Tolerance:
    """Lets a run go on when what is done beside it fails, in whichever way. `say` gets each failure once, as
    long as it stays the same."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: dict[str, str] = {}

    def of(self, kind: str, name: str, work: Callable[[], None]) -> bool:
        """Do what may fail, which is called by this name; whether it was done. `kind` is one of a unit."""
        error = attempt(kind, name, work)
        if error is None:
            self._said.pop(name, None)
            return True
        text = f"{error.message}{f' ({error.hint})' if error.hint else ''}"
        if self._said.get(name) != text:
            self.say(f"{name}: {text}")
        self._said[name] = text
        return False

    def say(self, text: str) -> None:
        """Write it to standard error."""
        attempt("report", "a failure", lambda: self._say(text))


class Notifier:
    """Sends the latest run to every receiver, each in a thread of its own, so that none waits for another.
    What cannot be sent is tried again, at growing intervals. `say` gets each failure once, as long as it
    stays the same."""

    def __init__(self, receivers: Sequence[Receiver], say: Callable[[str], None]) -> None:
        self._tolerance = Tolerance(say)
        self._deliveries = [_Delivery(receiver, self._tolerance) for receiver in receivers]

    def notify(self, record: RunRecord) -> None:
        """Have it sent; returns at once."""
        for delivery in self._deliveries:
            delivery.notify(record)

    def close(self, timeout: float) -> None:
        """Send what is left, for at most so many seconds; the rest is sent after the next run."""
        end = time.monotonic() + timeout
        for delivery in self._deliveries:
            delivery.close()
        if not all(delivery.is_done(end - time.monotonic()) for delivery in self._deliveries):
            self._tolerance.say(
                f"not all notifications were sent within {timeout:g} seconds; the next run sends the rest"
            )


class _Delivery:
    """One receiver's thread, and the latest run that it was not sent."""

    def __init__(self, receiver: Receiver, tolerance: Tolerance) -> None:
        self._receiver = receiver
        self._tolerance = tolerance
        self._latest: RunRecord | None = None
        self._is_new = False
        """Whether the latest one was not tried yet."""
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=receiver.name, daemon=True)
        self._thread.start()

    def notify(self, record: RunRecord) -> None:
        with self._changed:
            self._latest, self._is_new = record, True
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()

    def is_done(self, timeout: float) -> bool:
        self._thread.join(max(0.0, timeout))
        return not self._thread.is_alive()

    def _work(self) -> None:
        failures = 0
        while (record := self._next(failures)) is not None:
            received = self._receive(record)
            failures = 0 if received else failures + 1
            with self._changed:
                if received and self._latest is record:
                    self._latest = None

    def _receive(self, record: RunRecord) -> bool:
        return self._tolerance.of("notification", self._receiver.name, lambda: self._receiver.receive(record))

    def _next(self, failures: int) -> RunRecord | None:
        """The run to send now; None at the end. After failures it waits, even for a newer run."""
        due = time.monotonic() + (schedule.retry_after(failures) if failures else 0.0)
        with self._changed:
            while not self._closing:
                left = due - time.monotonic()
                if self._latest is not None and left <= 0:
                    break
                self._changed.wait(None if self._latest is None else left)
            if self._closing and not self._is_new:
                return None
            self._is_new = False
            return self._latest


@dataclass(slots=True)
class CommitStatuses:
    """Sets the status of the commit at the head of the branch, when it or how its run ended is another."""

    name: str
    forge: Callable[[], Forge]
    """Opened anew each time: tokens are replaced in their files."""
    history: History
    branch: str
    context: str
    page: str = ""
    """The public address of the page, without a slash at its end; empty for none."""

    def receive(self, record: RunRecord) -> None:
        """Set the status. A run that was stopped says nothing of its commit."""
        if not record.head or record.result is Result.STOPPED:
            return
        refused = notifications.is_refused(record)
        back = bool(record.of(Rollback))
        words = "refused" if refused else record.result.value
        sent = SentStatus(record.head, words)
        if self.history.sent(self.name) == sent:
            return
        self.forge().set_status(
            CommitStatus(
                record.head,
                self.branch,
                State.FAILURE if refused or back else _STATES.get(record.result, State.PENDING),
                self.context,
                f"{words}: {record.message}" if record.message else words,
                f"{self.page}/commits/{record.head}" if self.page else "",
            )
        )
        self.history.set_sent(self.name, sent)


Send = Callable[[Sequence[Notification], RunRecord], None]


@dataclass(slots=True)
class Messages:
    """Sends one message with all that is new since the last one. `send` raises TunnelwrightError."""

    name: str
    send: Send
    history: History
    on: frozenset[Topic]

    def receive(self, record: RunRecord) -> None:
        """Look at all runs since the last one that was sent; for a receiver that was never sent one, or
        whose record cannot be read any more, at the latest alone."""
        sent = self.history.sent(self.name)
        # One that is later than this run is of another history.
        if not isinstance(sent, SentMessages) or sent.run > record.id:
            if sent is not None:
                _log.warning(
                    "the record of what %s was sent cannot be read: it gets notifications from this run on",
                    self.name,
                )
                self.history.count({(UNREADABLE.name, ""): 1})
            sent = SentMessages(record.id - 1)
            self.history.set_sent(self.name, sent)
        runs = self.history.runs_after(sent.run, bounds.MESSAGE_RUNS)
        found: list[Notification] = []
        lasting = sent.states
        for run in runs:
            # A run that another version has recorded is no reason to be silent about all later ones.
            received = attempt("notification", f"{self.name}, run {run.id}", partial(self._new, run, lasting))
            if not isinstance(received, TunnelwrightError):
                found += received[0]
                lasting = received[1]
        if found:
            self.send(found, record)
        if runs:
            self.history.set_sent(self.name, SentMessages(runs[-1].id, lasting))

    def _new(
        self, run: RunRecord, lasting: frozenset[Lasting]
    ) -> tuple[list[Notification], frozenset[Lasting]]:
        return notifications.new_in([run], lasting, self.on)
