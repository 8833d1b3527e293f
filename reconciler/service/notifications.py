"""What of the runs is worth a message: what begins, what ends, what was done once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from reconciler.model.absence import AbsenceKind
from reconciler.model.condition import State as Condition
from reconciler.model.events import (
    Down,
    Drift,
    Held,
    Impaired,
    Part,
    PlannedChange,
    PlanSummary,
    Rollback,
    StepEnded,
    Traced,
    Trouble,
    Unreachable,
)
from reconciler.model.judgement import Deferral, Refusal
from reconciler.model.outcome import Check, Status
from reconciler.model.record import ForeignResult, Result, RunRecord
from reconciler.report.run_text import undo_hint


class Topic(StrEnum):
    """What a message may be about."""

    ROLLED_BACK = "rolled-back"
    """A commit was rolled back."""
    REFUSED = "refused"
    """A commit is not reconciled: not valid, not signed, against its own limits, or rolled back before."""
    FAILED = "failed"
    """There was no plan."""
    INCOMPLETE = "incomplete"
    """A router does not answer, or not all was done."""
    DOWN = "down"
    """A tunnel is configured as desired and has no CHILD_SA: an alarm, which no apply repairs."""
    SILENT = "carrying-nothing"
    """Probes have shown that a tunnel is up and carries nothing."""
    DEGRADED = "degraded"
    """Probes have shown that a tunnel loses packets, or takes longer than it usually does."""
    DRIFT = "drift"
    """A router was not as the repository says, though no commit had changed that."""
    CHANGED = "changed"
    """A commit was applied."""
    RECOVERED = "recovered"
    """The subject of one of the others has ended."""


@dataclass(frozen=True, slots=True, order=True)
class State:
    """Something that lasts from one run to the next. `subject` is a commit, a router, a tunnel, a resource or
    a part of the service; empty for the run as a whole."""

    topic: Topic
    subject: str = ""
    router: str = ""

    @property
    def of_the_run(self) -> bool:
        """True for what is the run's or its commit's, and no router's or part of the service's."""
        return not self.router and (self.topic is not Topic.INCOMPLETE or not self.subject)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a receiver was sent: the runs up to one, and what lasted after it."""

    run: int
    states: frozenset[State] = frozenset()

    @classmethod
    def read(cls, what: object, latest: int) -> Sent | None:
        """From what was kept of it; None for what another version or another program has kept, such as a run
        that is later than the latest one."""
        match what:
            case {"run": int(run), "states": list(states)} if 0 <= run <= latest:
                found = [_state(state) for state in states]
                return None if None in found else cls(run, frozenset(filter(None, found)))
        return None

    def kept(self) -> dict[str, Any]:
        """As it is kept."""
        states = [[state.topic.value, state.subject, state.router] for state in sorted(self.states)]
        return {"run": self.run, "states": states}


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification, in a sentence."""

    topic: Topic
    text: str
    router: str = ""
    """That it is about; empty for the run as a whole."""


def is_refused(record: RunRecord) -> bool:
    """True when the head of the branch is not what the run went by, or its plan was refused as a whole."""
    if not record.head or record.result is Result.ROLLED_BACK:
        return False
    return record.in_force != record.head or (record.result is Result.FAILED and bool(record.of(Refusal)))


def new_in(
    records: Iterable[RunRecord], before: frozenset[State], on: frozenset[Topic]
) -> tuple[list[Notification], frozenset[State]]:
    """What is new in some runs, oldest first, when `before` lasted; and what lasts after them. Only topics
    of `on` count."""
    new: list[Notification] = []
    lasting = before
    for record in records:
        found = states(record, lasting)
        after = frozenset(state for state in found if state.topic in on)
        new += [Notification(state.topic, found[state], state.router) for state in sorted(after - lasting)]
        new += [item for item in _done(record) if item.topic in on]
        if Topic.RECOVERED in on:
            new += _ended(lasting, after)
        lasting = after
    return new, lasting


def states(record: RunRecord, before: frozenset[State]) -> dict[State, str]:
    """What lasts after a run, each with a sentence. What the run could not see lasts on."""
    if record.result is Result.STOPPED:
        return dict.fromkeys(before, "")
    return {**_of_the_run(record, before), **_of_the_routers(record, before), **_of_the_service(record)}


def _of_the_run(record: RunRecord, before: frozenset[State]) -> dict[State, str]:
    head = record.head[:12]
    for back in record.of(Rollback):
        force = f", {back.to[:12]} is in force again" if back.to else ""
        text = f"{head} was rolled back{force}: {back.reason}; {undo_hint(record.head)}"
        whole = record.result is Result.ROLLED_BACK
        return {State(Topic.ROLLED_BACK, record.head): text if whole else f"{head}: {record.message}"}
    if is_refused(record):
        # Of a commit that was rolled back, the next run says that it is refused: the same thing once more.
        known = State(Topic.ROLLED_BACK, record.head)
        return {known if known in before else State(Topic.REFUSED, record.head): record.message}
    if isinstance(record.result, ForeignResult):
        # Whether what lasted has ended, this version cannot say.
        return {state: "" for state in before if state.of_the_run}
    if record.result is Result.FAILED:
        return {State(Topic.FAILED): record.message}
    if record.result is Result.INCOMPLETE and not _explained(record):
        return {State(Topic.INCOMPLETE): f"{head}: {record.message}"}
    return {}


def _explained(record: RunRecord) -> bool:
    """Whether nothing but a router, or keys that cannot be read, made a run incomplete: those are reported
    themselves."""
    if any(ended.status is Status.FAILED for ended in record.of(StepEnded)):
        return False
    if not all(check.passed for check in record.of(Check)):
        return False
    without_keys = any(trouble.part is Part.KEYS for trouble in record.of(Trouble))
    return without_keys or bool(record.of(Unreachable))


def _of_the_service(record: RunRecord) -> dict[State, str]:
    return {State(Topic.INCOMPLETE, trouble.part.value): trouble.reason for trouble in record.of(Trouble)}


def _of_the_routers(record: RunRecord, before: frozenset[State]) -> dict[State, str]:
    found: dict[State, str] = {}
    for absent in record.of(Unreachable):
        silent = absent.absence.kind is AbsenceKind.UNREACHABLE
        what = "does not answer" if silent else "is not reconciled"
        state = State(Topic.INCOMPLETE, absent.router, absent.router)
        found[state] = f"router {absent.router} {what}: {absent.absence.reason}"
    for down in record.of(Down):
        state = State(Topic.DOWN, down.tunnel, down.router)
        found[state] = f"tunnel {down.tunnel} at {down.router} is configured but down"
    for impaired in record.of(Impaired):
        topic = Topic.SILENT if impaired.state is Condition.SILENT else Topic.DEGRADED
        since = f"since {impaired.since:%Y-%m-%dT%H:%M:%SZ}"
        text = f"tunnel {impaired.tunnel} at {impaired.router} is {impaired.state} {since}: {impaired.reason}"
        found[State(topic, impaired.tunnel, impaired.router)] = text
    for drift in record.of(Drift):
        if drift.held:
            state = State(Topic.DRIFT, str(drift.resource), drift.resource.router)
            traces = _traces(record, state.router)
            found[state] = f"{drift.resource} has drifted and is left as it is: {drift.reason}{traces}"
    observed = bool(record.of(PlanSummary))
    away = {absent.router for absent in record.of(Unreachable)}
    # A tunnel that was changed is not among those that are down; only a proof says that it is up.
    unproven = (
        set()
        if record.result is Result.CHANGED
        else {change.resource.name for change in record.of(PlannedChange) if change.resource.is_tunnel}
    )
    for state in before:
        if state.router and (not observed or state.router in away or state.subject in unproven):
            found.setdefault(state, "")
    return found


def _done(record: RunRecord) -> Iterator[Notification]:
    """What a run has done that is over with it."""
    if record.result is not Result.CHANGED:
        return
    drifted = {drift.resource: drift for drift in record.of(Drift)}
    for resource, drift in drifted.items():
        if not drift.held:
            traces = _traces(record, resource.router)
            text = f"{resource} had drifted and was repaired: {drift.reason}{traces}"
            yield Notification(Topic.DRIFT, text, resource.router)
    alone = {held.resource for held in record.of(Held)} | set(drifted)
    alone |= {resource for deferral in record.of(Deferral) for resource in deferral.resources}
    for change in record.of(PlannedChange):
        if change.resource not in alone:
            what = f"{change.action} {change.resource}: {change.reason} ({change.disruption})"
            yield Notification(Topic.CHANGED, f"{record.in_force[:12]}: {what}", change.resource.router)


def _traces(record: RunRecord, router: str) -> str:
    """The drift attribution of a router, as the end of a sentence; empty where it reported nothing."""
    traces = [
        f"{traced.trace.at:%Y-%m-%dT%H:%M:%SZ} {traced.trace.text}"
        for traced in record.of(Traced)
        if traced.router == router
    ]
    return f"; since the last run there: {'; '.join(traces)}" if traces else ""


def _ended(before: frozenset[State], after: frozenset[State]) -> Iterator[Notification]:
    ended = before - after
    if any(state.of_the_run for state in ended) and not any(state.of_the_run for state in after):
        yield Notification(Topic.RECOVERED, "the head of the branch is in force, and runs succeed")
    for state in sorted(ended):
        text = ""
        match state.topic:
            case Topic.DOWN:
                text = f"tunnel {state.subject} at {state.router} is no longer down"
            case Topic.SILENT:
                text = f"tunnel {state.subject} at {state.router} is no longer {Condition.SILENT}"
            case Topic.DEGRADED:
                text = f"tunnel {state.subject} at {state.router} is no longer {Condition.DEGRADED}"
            case Topic.INCOMPLETE if state.router:
                text = f"router {state.router} answers again"
            case Topic.INCOMPLETE if state.subject:
                text = f"the trouble with the {state.subject} has ended"
            case Topic.DRIFT:
                text = f"{state.subject} no longer differs"
            case Topic.ROLLED_BACK | Topic.REFUSED | Topic.FAILED | Topic.INCOMPLETE:
                pass  # of the run, see above
            case Topic.CHANGED | Topic.RECOVERED:
                pass  # nothing that lasts
            case _:
                assert_never(state.topic)
        if text:
            yield Notification(Topic.RECOVERED, text, state.router)


def _state(what: object) -> State | None:
    match what:
        case [str(event), str(subject), str(router)] if event in set(Topic):
            return State(Topic(event), subject, router)
    return None
