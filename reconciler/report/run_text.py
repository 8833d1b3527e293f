"""Runs of the reconciler for a person: one line each, or one of them in full."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import assert_never

from reconciler.model.absence import AbsenceKind
from reconciler.model.diagnostic import Diagnostic, Severity
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
from reconciler.model.judgement import Deferral, Refusal
from reconciler.model.listing import counted
from reconciler.model.outcome import Check, Dropped, Loss, Status
from reconciler.model.record import ForeignResult, Result, RunRecord
from reconciler.model.way_back import Armed, WentBack
from reconciler.report.cost_text import cost_text, dropped_text
from reconciler.report.line import Line
from reconciler.report.plan_text import value_text
from reconciler.report.way_back_text import way_back_text

_STYLE: dict[Result | ForeignResult, str] = {
    Result.IN_SYNC: "green",
    Result.CHANGED: "green",
    Result.HELD: "yellow",
    Result.STOPPED: "yellow",
    Result.INCOMPLETE: "bold red",
    Result.ROLLED_BACK: "bold red",
    Result.FAILED: "bold red",
}


def run_line(record: RunRecord) -> Line:
    """One run in a line."""
    times = f" {counted(record.repeats, 'time')}" if record.repeats > 1 else ""
    force = f" (in force: {record.in_force[:12]})" if record.in_force not in {"", record.head} else ""
    said = f": {record.message}" if record.message else ""
    text = (
        f"{record.id:>5}  {record.finished:%Y-%m-%d %H:%M:%SZ}  {record.trigger:<9}  {record.head[:12]:<12}"
        f"{force}  {record.result}{times}{said}"
    )
    return Line(text, _STYLE.get(record.result, "yellow"))


def run_lines(record: RunRecord) -> Iterator[Line]:
    """One run in full."""
    yield run_line(record)
    seconds = (record.finished - record.started).total_seconds()
    yield Line(f"       started {record.started:%Y-%m-%d %H:%M:%SZ}, took {seconds:.1f} s")
    for event in record.events:
        yield from event_lines(event)
    if record.result is Result.ROLLED_BACK:
        yield Line(f"  {undo_hint(record.head)}", "bold")


def undo_hint(commit: str) -> str:
    """How a commit that the routers do not have any more is undone in Git as well."""
    return f"`tunnelwright rollback {commit[:12]}` prepares a branch that undoes the commit in Git"


def changing_run_lines(record: RunRecord, tunnels: Collection[str]) -> Iterator[Line]:
    """One run, with what it was to change of these tunnel ends."""
    began = f"{record.finished:%Y-%m-%d %H:%M:%SZ}  run {record.id} of {record.head[:12]}, {record.result}"
    for line in changes_of(record, tunnels):
        yield Line(f"{began}: {line.text}", line.style)


def changes_of(record: RunRecord, tunnels: Collection[str]) -> Iterator[Line]:
    """What a run was to change of these tunnel ends."""
    for event in record.events:
        if isinstance(event, PlannedChange) and event.resource.name in tunnels:
            text = f"{event.action} {event.resource}: {event.reason} ({event.disruption})"
            yield Line(text, _STYLE.get(record.result, "yellow"))


def event_lines(event: Event) -> Iterator[Line]:
    """One event. Who overrode a limit knows that already, and a plan's summary repeats its changes."""
    match event:
        case Diagnostic():
            style = "bold red" if event.severity is Severity.ERROR else "yellow"
            place = f"{event.location.file}:{event.location.line}:{event.location.column}"
            yield Line(f"  {place}: {event.severity}: {event.message} [{event.code}]", style)
        case Refusal() | Deferral():
            what = "refused" if isinstance(event, Refusal) else "deferred"
            yield Line(f"  {what}: {', '.join(map(str, event.resources))}: {event.reason}", "bold red")
        case PlannedChange() | Unreachable() | Withheld() | Exposed():
            yield from _plan_lines(event)
        case DuplicateAddress() | UnusedVip():
            yield _address_line(event)
        case StepEnded() | Check() | Loss() | Dropped():
            yield _apply_line(event)
        case Held() | Drift() | Traced() | Trouble() | Rollback() | LeftOut():
            yield _run_line(event)
        case Down() | Impaired() | Diagnosed():
            yield Line(f"  {_not_well(event)}", "bold red")
        case Foreign():
            if event.meant is not None:
                text = f"  {event.written['type']}: recorded by another version; `--json` shows it"
                yield Line(text, "yellow")
        case Armed() | WentBack():
            yield Line(f"  {way_back_text(event)}", "bold red")
        case PlanSummary() | Overridden() | ToConfirm():
            return
        case _:
            assert_never(event)


def _plan_lines(event: PlannedChange | Unreachable | Withheld | Exposed) -> Iterator[Line]:
    match event:
        case PlannedChange():
            yield Line(f"  {event.action} {event.resource}: {event.reason} ({event.disruption})")
            for field in event.changes:
                yield Line(f"      {field.path}: {value_text(field.before)} -> {value_text(field.after)}")
            if event.more_changes:
                yield Line(f"      … and {counted(event.more_changes, 'more field')}")
        case Unreachable():
            # A router may have answered, and yet have no part in the plan.
            silent = event.absence.kind is AbsenceKind.UNREACHABLE
            what = "unreachable" if silent else "not planned"
            yield Line(f"  {what}: {event.router}: {event.absence.reason}", "bold red")
        case Withheld():
            yield Line(f"  withheld: {event.tunnel}: {event.reason}", "bold red")
        case Exposed():
            when = "if it is done later" if event.later else "afterwards"
            pair = f"from {event.source} to {event.destination}"
            yield Line(f"  in the clear {when}: at {event.router} {pair}", "bold red")


def _address_line(event: DuplicateAddress | UnusedVip) -> Line:
    if isinstance(event, UnusedVip):
        place = f"{event.address} on {event.interface} of {event.router}"
        return Line(f"  unused VIP: {place}, left by {event.document}", "yellow")
    wanted = f", and belongs to {', '.join(event.wanted)}" if event.wanted else ""
    return Line(f"  duplicate address: {event.address} is on {', '.join(event.routers)}{wanted}", "bold red")


def _apply_line(event: StepEnded | Check | Loss | Dropped) -> Line:
    match event:
        case StepEnded():
            done = event.status is Status.DONE
            said = f" ({event.seconds * 1000:.0f} ms)" if done else f": {event.message}"
            text = f"  {event.status}: [{event.step.router}] {event.step.summary}{said}"
            return Line(text, "green" if done else "bold red")
        case Check():
            mark, style = ("✓", "green") if event.passed else ("✗", "bold red")
            return Line(f"  {mark} {event.name}: {event.evidence}", style)
        case Loss():
            return Line(f"  round trips of {cost_text(event)}")
        case Dropped():
            return Line(f"  {dropped_text(event)}", "yellow" if event.packets else "")


def _not_well(event: Down | Impaired | Diagnosed) -> str:
    if isinstance(event, Down):
        return f"configured but down: {event.tunnel}"
    if isinstance(event, Diagnosed):
        return f"diagnosis of {event.tunnel}: {event}"
    since = f"since {event.since:%Y-%m-%dT%H:%M:%SZ}"
    return f"{event.state} {since}: {event.tunnel}: {event.reason}"


def _run_line(event: Held | Drift | Traced | Trouble | Rollback | LeftOut) -> Line:
    match event:
        case Held() | Drift():
            what = "held" if isinstance(event, Held) else "drift"
            return Line(f"  {what}: {event.resource}: {event.reason}", "yellow")
        case Traced():
            at = f"{event.trace.at:%Y-%m-%dT%H:%M:%SZ}"
            return Line(f"  since the last run at {event.router}: {at} {event.trace.text}", "yellow")
        case Trouble():
            return Line(f"  trouble with the {event.part}: {event.reason}", "bold red")
        case Rollback():
            back = f"rolled back from {event.commit[:12]}{f' to {event.to[:12]}' if event.to else ''}"
            return Line(f"  {back}: {event.reason}", "bold red")
        case LeftOut():
            return Line(
                f"  {counted(event.events, 'more event')} left out: a record has at most "
                f"{counted(event.limit, 'byte')}",
                "yellow",
            )
