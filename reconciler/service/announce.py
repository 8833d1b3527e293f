"""Telling others of runs: beside the runs, which wait for nobody and fail for nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from reconciler.forges.forge import CommitStatus, Forge, State
from reconciler.history.store import History
from reconciler.model.errors import TunnelwrightError
from reconciler.model.record import Result, RunRecord
from reconciler.service import news

_STATES = {
    Result.IN_SYNC: State.SUCCESS,
    Result.CHANGED: State.SUCCESS,
    Result.HELD: State.PENDING,
    Result.INCOMPLETE: State.PENDING,
    Result.ROLLED_BACK: State.FAILURE,
    Result.FAILED: State.FAILURE,
}
_RUNS = 100
"""Runs that a message looks back on, when nobody could be told for long."""


class Listener(Protocol):
    """Somebody who is told. Remembers in the history what was told, so that nothing is told twice, and what
    could not be told is told after the next run."""

    name: str

    def hear(self, record: RunRecord) -> None:
        """Hear of a run, the latest. Raises TunnelwrightError when it could not be told."""
        ...


class Tolerance:
    """Lets a run go on when what is done beside it fails. `say` gets each failure once, as long as it stays
    the same."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._said: dict[str, str] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Around what may fail, which is called by this name."""
        try:
            yield
        except TunnelwrightError as error:
            text = f"{error.message}{f' ({error.hint})' if error.hint else ''}"
            if self._said.get(name) != text:
                self.say(f"{name}: {text}")
            self._said[name] = text
        else:
            self._said.pop(name, None)


class Announcer:
    """Tells the latest run to every listener, in a thread of its own. `say` gets each failure once, as long
    as it stays the same."""

    def __init__(self, listeners: Sequence[Listener], say: Callable[[str], None]) -> None:
        self._listeners = listeners
        self._tolerance = Tolerance(say)
        self._latest: RunRecord | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, daemon=True)
        if listeners:
            self._thread.start()

    def tell(self, record: RunRecord) -> None:
        """Let it be told; returns at once."""
        with self._changed:
            self._latest = record
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Tell what is left, for at most so many seconds; the rest is told after the next run."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._listeners:
            self._thread.join(patience)
            if self._thread.is_alive():
                self._tolerance.say(f"not all was told within {patience:g} seconds: the next run tells it")

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._latest is not None or self._closing)
                record, self._latest = self._latest, None
            if record is None:
                return
            for listener in self._listeners:
                with self._tolerance.of(listener.name):
                    listener.hear(record)


@dataclass(slots=True)
class CommitStatuses:
    """Sets the status of the commit at the head of the branch, when it or how its run ended is another."""

    name: str
    forge: Callable[[], Forge]
    """Opened anew each time: tokens are replaced in their files."""
    history: History
    branch: str
    context: str

    def hear(self, record: RunRecord) -> None:
        """Set the status. A run that was stopped says nothing of its commit."""
        if not record.head or record.result is Result.STOPPED:
            return
        refused = news.is_refused(record)
        back = any(item["type"] == "rollback" for item in record.objects)
        words = "refused" if refused else record.result.value
        told = {"head": record.head, "result": words}
        if self.history.told(self.name) == told:
            return
        self.forge().set_status(
            CommitStatus(
                record.head,
                self.branch,
                State.FAILURE if refused or back else _STATES[record.result],
                self.context,
                f"{words}: {record.message}" if record.message else words,
            )
        )
        self.history.set_told(self.name, told)


Send = Callable[[Sequence[news.News], RunRecord], None]


@dataclass(slots=True)
class Messages:
    """Sends one message with all that is new since the last one. `send` raises TunnelwrightError."""

    name: str
    send: Send
    history: History
    on: frozenset[news.Event]

    def hear(self, record: RunRecord) -> None:
        """Look at all runs since the last one that was told; for who was never told, at the latest alone."""
        told = self.history.told(self.name)
        if not told:
            told = {"run": record.id - 1, "states": []}
            self.history.set_told(self.name, told)
        runs = self.history.runs_after(told["run"], _RUNS)
        before = frozenset(news.State(news.Event(event), *rest) for event, *rest in told["states"])
        found, after = news.tell(runs, before, self.on)
        if found:
            self.send(found, record)
        if runs:
            states = [[state.event.value, state.subject, state.router] for state in sorted(after)]
            self.history.set_told(self.name, {"run": runs[-1].id, "states": states})
