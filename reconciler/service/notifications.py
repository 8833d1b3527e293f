"""The events of runs that are worth a message: problems that begin or end, and single changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.model.absence import AbsenceKind
from reconciler.model.record import Result, RunRecord


class Event(StrEnum):
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
    """A tunnel is configured as desired and carries nothing: an alarm, which no apply mends."""
    DRIFT = "drift"
    """A router was not as the repository says, though no commit had changed that."""
    CHANGED = "changed"
    """A commit was applied."""
    RECOVERED = "recovered"
    """What one of the others told of has ended."""


@dataclass(frozen=True, slots=True, order=True)
class State:
    """Something that lasts from one run to the next. `subject` is a commit, a router, a tunnel, a resource or
    a part of the service; empty for the run as a whole."""

    event: Event
    subject: str = ""
    router: str = ""

    @property
    def of_the_run(self) -> bool:
        """True for what is the run's or its commit's, and no router's or part of the service's."""
        return not self.router and (self.event is not Event.INCOMPLETE or not self.subject)


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody knows: the runs up to one, and what lasted after it."""

    run: int
    states: frozenset[State] = frozenset()

    @classmethod
    def read(cls, what: object, latest: int) -> Told | None:
        """From what was kept of it; None for what another version or somebody else has kept, such as a run
        that is later than the latest one."""
        match what:
            case {"run": int(run), "states": list(states)} if 0 <= run <= latest:
                found = [_state(state) for state in states]
                return None if None in found else cls(run, frozenset(filter(None, found)))
        return None

    def kept(self) -> dict[str, Any]:
        """As it is kept."""
        states = [[state.event.value, state.subject, state.router] for state in sorted(self.states)]
        return {"run": self.run, "states": states}


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing to tell, in a sentence."""

    event: Event
    text: str


def is_refused(record: RunRecord) -> bool:
    """True when the head of the branch is not what the run went by, or its plan was refused as a whole."""
    if not record.head or record.result is Result.ROLLED_BACK:
        return False
    return record.in_force != record.head or (
        record.result is Result.FAILED and bool(_objects(record, "refused"))
    )


def tell(
    records: Iterable[RunRecord], before: frozenset[State], on: frozenset[Event]
) -> tuple[list[Notification], frozenset[State]]:
    """What is new in some runs, oldest first, when `before` lasted; and what lasts after them. Only events
    of `on` count."""
    news: list[Notification] = []
    lasting = before
    for record in records:
        found = states(record, lasting)
        after = frozenset(state for state in found if state.event in on)
        news += [Notification(state.event, found[state]) for state in sorted(after - lasting)]
        news += [item for item in _done(record) if item.event in on]
        if Event.RECOVERED in on:
            news += [Notification(Event.RECOVERED, text) for text in _ended(lasting, after)]
        lasting = after
    return news, lasting


def states(record: RunRecord, before: frozenset[State]) -> dict[State, str]:
    """What lasts after a run, each with a sentence. What the run could not see lasts on."""
    if record.result is Result.STOPPED:
        return dict.fromkeys(before, "")
    return {**_of_the_run(record, before), **_of_the_routers(record, before), **_of_the_service(record)}


def _of_the_run(record: RunRecord, before: frozenset[State]) -> dict[State, str]:
    head = record.head[:12]
    for back in _objects(record, "rollback"):
        text = f"{head} was rolled back, {back['to'][:12]} is in force again: {back['reason']}"
        whole = record.result is Result.ROLLED_BACK
        return {State(Event.ROLLED_BACK, record.head): text if whole else f"{head}: {record.message}"}
    if is_refused(record):
        # Of a commit that was rolled back, the next run says that it is refused: the same thing once more.
        known = State(Event.ROLLED_BACK, record.head)
        return {known if known in before else State(Event.REFUSED, record.head): record.message}
    if record.result is Result.FAILED:
        return {State(Event.FAILED): record.message}
    if record.result is Result.INCOMPLETE and not _told_apart(record):
        return {State(Event.INCOMPLETE): f"{head}: {record.message}"}
    return {}


def _told_apart(record: RunRecord) -> bool:
    """Whether nothing but a router, or keys that cannot be had, made a run incomplete: those are told
    themselves."""
    done = _objects(record, "outcome")
    if any(item["status"] == "failed" for item in done) or not all(
        item["passed"] for item in _objects(record, "check")
    ):
        return False
    without_keys = any(item["unit"] == "keys" for item in _objects(record, "trouble"))
    return without_keys or bool(_objects(record, "unreachable"))


def _of_the_service(record: RunRecord) -> dict[State, str]:
    return {State(Event.INCOMPLETE, item["unit"]): item["reason"] for item in _objects(record, "trouble")}


def _of_the_routers(record: RunRecord, before: frozenset[State]) -> dict[State, str]:
    found: dict[State, str] = {}
    for item in _objects(record, "unreachable"):
        state = State(Event.INCOMPLETE, item["router"], item["router"])
        # Runs of an earlier version tell no kind.
        silent = item.get("kind", AbsenceKind.UNREACHABLE) == AbsenceKind.UNREACHABLE
        what = "does not answer" if silent else "is not reconciled"
        found[state] = f"router {item['router']} {what}: {item['reason']}"
    for item in _objects(record, "down"):
        state = State(Event.DOWN, item["tunnel"], item["router"])
        found[state] = f"tunnel {item['tunnel']} at {item['router']} is configured but down"
    for item in _objects(record, "drift"):
        if item["held"]:
            state = State(Event.DRIFT, item["resource"], item["resource"].partition("/")[0])
            meanwhile = _meanwhile(record, state.router)
            found[state] = f"{item['resource']} has drifted and is left as it is: {item['reason']}{meanwhile}"
    looked = bool(_objects(record, "plan_summary"))
    away = {item["router"] for item in _objects(record, "unreachable")}
    # A tunnel that was changed is not among those that are down; only a proof says that it is up.
    unproven = (
        set()
        if record.result is Result.CHANGED
        else {item["name"] for item in _objects(record, "resource_change") if item["kind"] == "tunnel"}
    )
    for state in before:
        if state.router and (not looked or state.router in away or state.subject in unproven):
            found.setdefault(state, "")
    return found


def _done(record: RunRecord) -> Iterator[Notification]:
    """What a run has done that is over with it."""
    if record.result is not Result.CHANGED:
        return
    drifted = {item["resource"]: item for item in _objects(record, "drift")}
    for resource, item in drifted.items():
        if not item["held"]:
            meanwhile = _meanwhile(record, resource.partition("/")[0])
            text = f"{resource} had drifted and was repaired: {item['reason']}{meanwhile}"
            yield Notification(Event.DRIFT, text)
    alone = {item["resource"] for item in [*_objects(record, "held"), *drifted.values()]}
    alone |= {resource for item in _objects(record, "deferred") for resource in item["resources"]}
    for item in _objects(record, "resource_change"):
        resource = f"{item['router']}/{item['kind']}/{item['name']}"
        if resource not in alone:
            what = f"{item['action']} {resource}: {item['reason']} ({item['disruption']})"
            yield Notification(Event.CHANGED, f"{record.in_force[:12]}: {what}")


def _meanwhile(record: RunRecord, router: str) -> str:
    """What the router told of who was there."""
    told = [f"{i['at'][:19]}Z {i['text']}" for i in _objects(record, "trace") if i["router"] == router]
    return f"; since the last run there: {'; '.join(told)}" if told else ""


def _ended(before: frozenset[State], after: frozenset[State]) -> Iterator[str]:
    ended = before - after
    if any(state.of_the_run for state in ended) and not any(state.of_the_run for state in after):
        yield "the head of the branch is in force, and runs succeed"
    for state in sorted(ended):
        match state.event:
            case Event.DOWN:
                yield f"tunnel {state.subject} at {state.router} is no longer down"
            case Event.INCOMPLETE if state.router:
                yield f"router {state.router} answers again"
            case Event.INCOMPLETE if state.subject:
                yield f"the trouble with the {state.subject} has ended"
            case Event.DRIFT:
                yield f"{state.subject} no longer differs"


def _state(what: object) -> State | None:
    match what:
        case [str(event), str(subject), str(router)] if event in set(Event):
            return State(Event(event), subject, router)
    return None


def _objects(record: RunRecord, kind: str) -> list[dict[str, Any]]:
    return [item for item in record.objects if item["type"] == kind]
