"""The service: starts runs until it is stopped."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from reconciler.apply.phases import Progress
from reconciler.history.bounded import bounded
from reconciler.model import bounds
from reconciler.model.errors import RouterUnreachable, TunnelwrightError
from reconciler.model.events import Part, Trouble
from reconciler.model.fabric import Fabric, group_of
from reconciler.model.isolation import attempt
from reconciler.model.observation import Observation
from reconciler.model.outcome import Outcome
from reconciler.model.record import GOOD, Result, RunRecord
from reconciler.observe.state import observe
from reconciler.routers.fleet import Background, Fleet
from reconciler.routers.protocol import Router
from reconciler.service.clone import FetchStopped
from reconciler.service.dependencies import Dependencies
from reconciler.service.last_changes import last_changes
from reconciler.service.reconcile import reconcile
from reconciler.service.schedule import Absent, retry_after, spread
from reconciler.service.wanted import sentence

Notify = Callable[[RunRecord], None]
_OBSERVED_AT_ONCE = 8
_SETTLED = GOOD | {Result.ROLLED_BACK}


class _NotTried(RouterUnreachable):
    """The router is left out of this run. It may answer a later observation, so this says nothing new."""


@dataclass(slots=True)
class Service:
    """One reconciler. `notify` gets every run."""

    dependencies: Dependencies
    interval: float
    jitter: float
    notify: Notify
    absent: Absent = field(default_factory=Absent)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _triggers: deque[str] = field(default_factory=lambda: deque(maxlen=1))
    _fleet: Fleet | None = None
    _follows: bool = False
    """Whether any fabric is followed: the first one is, be it refused or not."""
    _failures: int = 0
    _head: str = ""
    _moved: float = field(default_factory=time.monotonic)

    def moved(self) -> None:
        """There was progress; from any thread."""
        self._moved = time.monotonic()

    def hangs(self) -> str:
        """Why this is no service that works; empty when it does. It hangs when nothing was done for the
        interval at its longest, the timeout for new tunnels, and `bounds.STANDSTILL`."""
        still = time.monotonic() - self._moved
        limit = spread(self.interval, self.jitter, 1) + self.dependencies.timeout + bounds.STANDSTILL
        return f"no progress for {still:.0f} s, limit {limit:.0f} s" if still > limit else ""

    def wake(self, trigger: str) -> None:
        """Observe now; from any thread."""
        self._triggers.append(trigger)
        self._wake.set()

    def stop(self) -> None:
        """End as soon as no tunnel is half changed; from any thread, or a signal handler."""
        self._stop.set()
        self._wake.set()

    def once(self, trigger: str = "once") -> RunRecord:
        """Fetch, reconcile, record, notify. What fails, in whichever way, is in the record."""
        note = ""
        started, began = datetime.now(UTC), time.monotonic()
        self.moved()
        head = attempt("fetch", "repository", lambda: self.dependencies.repository.fetch(self._stopping))
        if isinstance(head, FetchStopped):
            finished = started + timedelta(seconds=time.monotonic() - began)
            return self._recorded(RunRecord(started, finished, trigger, "", "", Result.STOPPED, head.message))
        if isinstance(head, TunnelwrightError):
            # What was fetched last stays desired: an absent remote is no reason to let routers drift.
            note, head = sentence(head), _known_head(self.dependencies)
        self.moved()
        if not head:
            finished = started + timedelta(seconds=time.monotonic() - began)
            record = RunRecord(started, finished, trigger, "", "", Result.FAILED, note)
        else:
            if head != self._head:
                # A newer commit does not wait for the retries of an older one.
                self._failures, self._head = 0, head
                trigger = trigger if trigger == "once" else "commit"
            try:
                record = reconcile(self._wired(), head, trigger)
            finally:
                self.dependencies.rested()
        if note and head:
            ended = Result.INCOMPLETE if record.result in _SETTLED else record.result
            message = "; ".join(part for part in (note, record.message) if part)
            record = replace(record, result=ended, message=message)
        return self._recorded(record)

    def _stopping(self) -> bool:
        """Asked while a transfer goes on, be it of new commits or of older history, and between the steps of
        an apply. Both are progress: a transfer that stalls is ended by its own bounds."""
        self.moved()
        return self._stop.is_set()

    def _recorded(self, record: RunRecord) -> RunRecord:
        """Keep a run and notify of it: it gets its number, and what there is to say of the clone and of
        the history itself."""
        history = self.dependencies.history
        history.settle()
        repository = self.dependencies.repository
        said = {Part.REPOSITORY: repository.complaints(), Part.HISTORY: history.complaints()}
        troubles = [Trouble(part, reason) for part, reasons in said.items() for reason in reasons]
        message = "; ".join(filter(None, (record.message, *(trouble.reason for trouble in troubles))))
        whole = replace(record, message=message, events=(*record.events, *troubles))
        record = bounded(whole)
        kept = replace(record, id=history.add(record))
        attempt(
            "history",
            "last changes",
            lambda: history.keep_last_changes(last_changes(whole, repository)),
        )
        attempt("report", "a run", lambda: self.notify(kept))
        return kept

    def run(self) -> None:
        """Go on until `stop`."""
        trigger = "start"
        with Background(_OBSERVED_AT_ONCE) as observing:
            while not self._stop.is_set():
                now = trigger
                record = attempt("run", now, lambda now=now: self.once(now))  # type: ignore[misc]
                settled = isinstance(record, RunRecord) and record.result in _SETTLED
                self._failures = 0 if settled else self._failures + 1
                trigger = self._wait(observing)

    def _wait(self, observing: Background) -> str:
        """Sleep until there is a reason to observe; the reason. Until then absent routers are observed."""
        now = time.monotonic()
        regular = now + spread(self.interval, self.jitter, random.random())  # noqa: S311 - not for secrecy
        retry = now + retry_after(self._failures) if self._failures else float("inf")
        while not self._stop.is_set():
            self.moved()
            if self._triggers:
                self._wake.clear()
                return self._triggers.pop()
            now = time.monotonic()
            if now >= min(regular, retry):
                return "retry" if retry < regular else "interval"
            self._observe_absent(observing, now)
            self._wake.wait(max(0.0, min(regular, retry, self.absent.next_due()) - now))
            self._wake.clear()
        return ""

    def _observe_absent(self, observing: Background, now: float) -> None:
        if self._fleet is None:
            return
        for name in self.absent.take_due(now):
            begin = partial(observing.begin, "router", name, partial(self._observe_one, name, self._fleet))
            if isinstance(attempt("thread", name, begin), TunnelwrightError):
                # No thread can be started now: it is observed when it is due again.
                self.absent.failed(name, "it could not be observed", now)

    def _observe_one(self, name: str, fleet: Fleet) -> None:
        """Observe it as a run would: one short answer does not show that it is fast enough for a run."""
        observed = attempt("router", name, lambda: observe(fleet, {name: ()}))
        found = observed if isinstance(observed, TunnelwrightError) else observed.failures.get(name)
        # One that answers, whatever it may be, is for a run to report.
        if found is None or not found.retryable:
            self.absent.answered(name)
            self.wake("recovered")
        else:
            self.absent.failed(name, found.message, time.monotonic())
            self._wake.set()

    def _keep_apart(self, found: Observation) -> None:
        """Keep apart for the next runs whom a run has waited for in vain, be it in the middle of an
        observation."""
        for name in found.states:
            self.absent.seen(name)
        for name, error in found.failures.items():
            if isinstance(error, RouterUnreachable) and not isinstance(error, _NotTried):
                self.absent.missed(name, error.message, time.monotonic())

    def _wired(self) -> Dependencies:
        """The dependencies, with connections that leave out absent routers and notice new ones."""

        def follow(fabric: Fabric) -> None:
            self._follows = True
            attempt("events", "the fleet", lambda: self.dependencies.followed(fabric))
            names = {group_of(tunnel) for tunnel in fabric.tunnels.values()}
            attempt("history", "connections", lambda: self.dependencies.history.keep_connections(names))

        def fleet_of(fabric: Fabric) -> Fleet:
            real = self.dependencies.fleet_of(fabric)
            self._fleet = real
            self.absent.keep(fabric.routers)
            if not self._follows:
                follow(fabric)

            def connect(name: str) -> Router:
                self.moved()
                if (reason := self.absent.reason(name)) is not None:
                    raise _NotTried(reason, router=name, operation="connect")
                try:
                    return real.connect(name)
                except RouterUnreachable as error:
                    self.absent.failed(name, error.message, time.monotonic())
                    raise

            return replace(real, connect=connect)

        def progress(outcome: Outcome) -> None:
            self.moved()
            given(outcome)

        given: Progress = self.dependencies.progress
        return replace(
            self.dependencies,
            fleet_of=fleet_of,
            followed=follow,
            stopping=self._stopping,
            on_observation=self._keep_apart,
            moved=self.moved,
            progress=progress,
        )


def _known_head(dependencies: Dependencies) -> str:
    head = attempt("fetch", "repository", dependencies.repository.head)
    return "" if isinstance(head, TunnelwrightError) else head
