"""What of the runs is worth a message: what begins, what ends, what was done once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from reconciler.model.absence import AbsenceKind
from reconciler.model.condition import State as Condition
from reconciler.model.events import (
    Diagnosed,
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
from reconciler.model.notification import Lasting, Notification, Topic
from reconciler.model.outcome import Check, Status
from reconciler.model.record import ForeignResult, Result, RunRecord
from reconciler.report.run_text import undo_hint


def is_refused(record: RunRecord) -> bool:
    """True when the head of the branch is not what the run went by, or its plan was refused as a whole."""
    if not record.head or record.result is Result.ROLLED_BACK:
        return False
    return record.in_force != record.head or (record.result is Result.FAILED and bool(record.of(Refusal)))


def new_in(
    records: Iterable[RunRecord], before: frozenset[Lasting], on: frozenset[Topic]
) -> tuple[list[Notification], frozenset[Lasting]]:
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


def states(record: RunRecord, before: frozenset[Lasting]) -> dict[Lasting, str]:
    """What lasts after a run, each with a sentence. What the run could not see lasts on."""
    if record.result is Result.STOPPED:
        return dict.fromkeys(before, "")
    return {**_of_the_run(record, before), **_of_the_routers(record, before), **_of_the_service(record)}


def _of_the_run(record: RunRecord, before: frozenset[Lasting]) -> dict[Lasting, str]:
    head = record.head[:12]
    for back in record.of(Rollback):
        force = f", {back.to[:12]} is in force again" if back.to else ""
        text = f"{head} was rolled back{force}: {back.reason}; {undo_hint(record.head)}"
        whole = record.result is Result.ROLLED_BACK
        return {Lasting(Topic.ROLLED_BACK, record.head): text if whole else f"{head}: {record.message}"}
    if is_refused(record):
        # Of a commit that was rolled back, the next run says that it is refused: the same thing once more.
        known = Lasting(Topic.ROLLED_BACK, record.head)
        return {known if known in before else Lasting(Topic.REFUSED, record.head): record.message}
    if isinstance(record.result, ForeignResult):
        # Whether what lasted has ended, this version cannot say.
        return {state: "" for state in before if state.of_the_run}
    if record.result is Result.FAILED:
        return {Lasting(Topic.FAILED): record.message}
    if record.result is Result.INCOMPLETE and not _explained(record):
        return {Lasting(Topic.INCOMPLETE): f"{head}: {record.message}"}
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


def _of_the_service(record: RunRecord) -> dict[Lasting, str]:
    return {Lasting(Topic.INCOMPLETE, trouble.part.value): trouble.reason for trouble in record.of(Trouble)}


def _of_the_routers(record: RunRecord, before: frozenset[Lasting]) -> dict[Lasting, str]:
    found: dict[Lasting, str] = {}
    for absent in record.of(Unreachable):
        silent = absent.absence.kind is AbsenceKind.UNREACHABLE
        what = "does not answer" if silent else "is not reconciled"
        state = Lasting(Topic.INCOMPLETE, absent.router, absent.router)
        found[state] = f"router {absent.router} {what}: {absent.absence.reason}"
    for down in record.of(Down):
        state = Lasting(Topic.DOWN, down.tunnel, down.router)
        found[state] = f"tunnel {down.tunnel} at {down.router} is configured but down"
    diagnoses = {item.tunnel: f"; diagnosis: {item}" for item in record.of(Diagnosed)}
    for impaired in record.of(Impaired):
        topic = Topic.SILENT if impaired.state is Condition.SILENT else Topic.DEGRADED
        since = f"since {impaired.since:%Y-%m-%dT%H:%M:%SZ}"
        text = f"tunnel {impaired.tunnel} at {impaired.router} is {impaired.state} {since}: {impaired.reason}"
        text += diagnoses.get(impaired.tunnel, "")
        found[Lasting(topic, impaired.tunnel, impaired.router)] = text
    for drift in record.of(Drift):
        if drift.held:
            state = Lasting(Topic.DRIFT, str(drift.resource), drift.resource.router)
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


def _ended(before: frozenset[Lasting], after: frozenset[Lasting]) -> Iterator[Notification]:
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
