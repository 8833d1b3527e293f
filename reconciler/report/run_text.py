"""Runs of the reconciler for a person: one line each, or one of them in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.model.record import Result, RunRecord
from reconciler.report.cost_text import cost_text
from reconciler.report.line import Line

_STYLE = {
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
    times = f" {record.repeats} times" if record.repeats > 1 else ""
    force = f" (in force: {record.in_force[:12]})" if record.in_force not in {"", record.head} else ""
    said = f": {record.message}" if record.message else ""
    text = (
        f"{record.id:>5}  {record.finished:%Y-%m-%d %H:%M:%SZ}  {record.trigger:<9}  {record.head[:12]:<12}"
        f"{force}  {record.result}{times}{said}"
    )
    return Line(text, _STYLE[record.result])


def run_lines(record: RunRecord) -> Iterator[Line]:
    """One run in full."""
    yield run_line(record)
    seconds = (record.finished - record.started).total_seconds()
    yield Line(f"       started {record.started:%Y-%m-%d %H:%M:%SZ}, took {seconds:.1f} s")
    for item in record.objects:
        yield from _object_lines(item)


def _object_lines(item: dict[str, Any]) -> Iterable[Line]:
    match item["type"]:
        case "diagnostic":
            place = f"{item['file']}:{item['line']}:{item['column']}"
            style = "bold red" if item["severity"] == "error" else "yellow"
            yield Line(f"  {place}: {item['severity']}: {item['message']} [{item['code']}]", style)
        case "resource_change":
            yield Line(
                f"  {item['action']} {item['router']}/{item['kind']}/{item['name']}: {item['reason']} "
                f"({item['disruption']})"
            )
            for change in item["changes"]:
                yield Line(f"      {change['path']}: {_value(change['before'])} -> {_value(change['after'])}")
            if more := item.get("more_changes", 0):
                yield Line(f"      … and {more} more fields")
        case "held":
            yield Line(f"  left alone: {item['resource']}: {item['reason']}", "yellow")
        case "refused" | "deferred":
            yield Line(f"  {item['type']}: {', '.join(item['resources'])}: {item['reason']}", "bold red")
        case "down" | "exposed":
            yield Line(f"  {_warning(item)}", "bold red")
        case "unreachable" | "withheld" | "drift":
            name = next(item[key] for key in ("router", "tunnel", "resource") if key in item)
            style = "yellow" if item["type"] == "drift" else "bold red"
            # A router may have answered, and yet have no part in the plan.
            what = item["type"] if item.get("kind", "unreachable") == "unreachable" else "not planned"
            yield Line(f"  {what}: {name}: {item['reason']}", style)
        case "rollback":
            yield Line(f"  back from {item['from'][:12]} to {item['to'][:12]}: {item['reason']}", "bold red")
        case "outcome":
            done = item["status"] == "done"
            said = f" ({item['seconds'] * 1000:.0f} ms)" if done else f": {item['message']}"
            text = f"  {item['status']}: [{item['router']}] {item['summary']}{said}"
            yield Line(text, "green" if done else "bold red")
        case "check":
            mark, style = ("✓", "green") if item["passed"] else ("✗", "bold red")
            yield Line(f"  {mark} {item['name']}: {item['evidence']}", style)
        case _:
            yield from _lines_beside(item)


def _lines_beside(item: dict[str, Any]) -> Iterable[Line]:
    """What is neither of the plan nor of its steps."""
    match item["type"]:
        case "trace":
            yield Line(f"  meanwhile at {item['router']}: {item['at'][:19]}Z {item['text']}", "yellow")
        case "trouble":
            yield Line(f"  trouble with the {item['unit']}: {item['reason']}", "bold red")
        case "left_out":
            yield Line(f"  {item['objects']} more are left out, limit {item['limit']} bytes", "yellow")
        case "loss":
            numbers = {key: item.get(key, 0) for key in ("lost", "sent", "longest_ms", "silent_ms")}
            said = cost_text(item["tunnel"], item["predicted"], **numbers)
            yield Line(f"  round trips of {said}")


def _warning(item: dict[str, Any]) -> str:
    if item["type"] == "down":
        return f"configured but down: {item['tunnel']}"
    when = "if it is done later" if item.get("later") else "afterwards"
    return f"in the clear {when}: at {item['router']} from {item['source']} to {item['destination']}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "(unobservable)"
    if value is None:
        return "(none)"
    return ", ".join(value) if isinstance(value, list) else str(value)
