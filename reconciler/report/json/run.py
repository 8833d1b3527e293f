"""One run of the reconciler as JSON, and what it reports beside its plan and its apply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.model.condition import State
from reconciler.model.events import (
    Diagnosed,
    Down,
    Drift,
    Held,
    Impaired,
    LeftOut,
    Part,
    Rollback,
    Traced,
    Trouble,
)
from reconciler.model.plan import Resource
from reconciler.model.record import RunRecord, read_result
from reconciler.model.trace import Trace
from reconciler.model.way_back import Armed, Arming, Cause, WentBack
from reconciler.report.json.form import Form, Forms, Item


def run_object(record: RunRecord) -> dict[str, Any]:
    """One run of the reconciler, without its events."""
    return {"type": "run", **run_summary(record)}


def run_summary(record: RunRecord) -> dict[str, Any]:
    """All of a run but its events."""
    return {
        "id": record.id,
        "started": record.started.isoformat(),
        "finished": record.finished.isoformat(),
        "trigger": record.trigger,
        "head": record.head,
        "in_force": record.in_force,
        "result": record.result.value,
        "message": record.message,
        "repeats": record.repeats,
    }


def read_run(summary: Mapping[str, object]) -> RunRecord:
    """The run of a summary, its times in UTC, without its events.

    Raises ValueError or OverflowError for what is no summary.
    """
    item = Item(summary)
    return RunRecord(
        id=item.number("id"),
        started=item.time("started"),
        finished=item.time("finished"),
        trigger=item.text("trigger"),
        head=item.text("head"),
        in_force=item.text("in_force"),
        result=read_result(item.text("result")),
        message=item.text("message"),
        repeats=item.number("repeats"),
    )


def way_back_objects(found: Iterable[Armed | WentBack]) -> Iterator[dict[str, Any]]:
    """One object for each router that is armed, or has gone back."""
    return map(FORMS.encode, found)


def _held(item: Held) -> dict[str, Any]:
    return {"resource": str(item.resource), "reason": item.reason}


def _read_held(item: Item) -> Held:
    return Held(Resource.read(item.text("resource")), item.text("reason"))


def _drift(item: Drift) -> dict[str, Any]:
    return {"resource": str(item.resource), "reason": item.reason, "held": item.held}


def _read_drift(item: Item) -> Drift:
    return Drift(Resource.read(item.text("resource")), item.text("reason"), item.flag("held"))


def _traced(item: Traced) -> dict[str, Any]:
    return {"router": item.router, "at": item.trace.at.isoformat(), "text": item.trace.text}


def _read_traced(item: Item) -> Traced:
    return Traced(item.text("router"), Trace(item.time("at"), item.text("text")))


def _down(item: Down) -> dict[str, Any]:
    return {"tunnel": item.tunnel, "router": item.router}


def _read_down(item: Item) -> Down:
    return Down(item.text("tunnel"), item.text("router"))


def _impaired(item: Impaired) -> dict[str, Any]:
    return {
        "tunnel": item.tunnel,
        "router": item.router,
        "state": item.state.value,
        "reason": item.reason,
        "since": item.since.isoformat(),
    }


def _read_impaired(item: Item) -> Impaired:
    return Impaired(
        item.text("tunnel"),
        item.text("router"),
        State(item.text("state")),
        item.text("reason"),
        item.time("since"),
    )


def _diagnosed(item: Diagnosed) -> dict[str, Any]:
    return {
        "tunnel": item.tunnel,
        "router": item.router,
        "causes": list(item.causes),
        "reconnects": item.reconnects,
    }


def _read_diagnosed(item: Item) -> Diagnosed:
    return Diagnosed(item.text("tunnel"), item.text("router"), item.texts("causes"), item.flag("reconnects"))


def _trouble(item: Trouble) -> dict[str, Any]:
    return {"unit": item.part.value, "reason": item.reason}


def _read_trouble(item: Item) -> Trouble:
    return Trouble(Part(item.text("unit")), item.text("reason"))


def _rollback(item: Rollback) -> dict[str, Any]:
    return {"from": item.commit, "to": item.to, "reason": item.reason}


def _read_rollback(item: Item) -> Rollback:
    return Rollback(item.text("from"), item.text("to"), item.text("reason"))


def _arming(item: Arming) -> dict[str, Any]:
    return {
        "id": item.id,
        "by": item.owner,
        "commit": item.commit,
        "digest": item.digest,
        "seconds": item.seconds,
    }


def _read_arming(item: Item) -> Arming:
    return Arming(
        item.text("id"), item.text("by"), item.text("digest"), item.text("commit"), item.number("seconds")
    )


def _armed(item: Armed) -> dict[str, Any]:
    return {"router": item.router, **_arming(item.arming), "left": item.left}


def _read_armed(item: Item) -> Armed:
    return Armed(item.text("router"), _read_arming(item), item.number("left"))


def _went_back(item: WentBack) -> dict[str, Any]:
    return {
        "router": item.router,
        **_arming(item.arming),
        "cause": item.cause.value,
        "at": item.at.isoformat(),
        "problems": list(item.problems),
    }


def _read_went_back(item: Item) -> WentBack:
    return WentBack(
        item.text("router"),
        _read_arming(item),
        Cause(item.text("cause")),
        item.time("at"),
        item.texts("problems"),
    )


def _left_out(item: LeftOut) -> dict[str, Any]:
    return {"objects": item.events, "limit": item.limit}


def _read_left_out(item: Item) -> LeftOut:
    return LeftOut(item.number("objects"), item.number("limit"))


FORMS = Forms(
    Form("held", Held, _held, _read_held),
    Form("drift", Drift, _drift, _read_drift),
    Form("trace", Traced, _traced, _read_traced),
    Form("down", Down, _down, _read_down),
    Form("impaired", Impaired, _impaired, _read_impaired),
    Form("diagnosed", Diagnosed, _diagnosed, _read_diagnosed),
    Form("trouble", Trouble, _trouble, _read_trouble),
    Form("rollback", Rollback, _rollback, _read_rollback),
    Form("armed", Armed, _armed, _read_armed),
    Form("went_back", WentBack, _went_back, _read_went_back),
    Form("left_out", LeftOut, _left_out, _read_left_out),
)
