"""What an apply came to, as JSON."""

from __future__ import annotations

from typing import Any

from reconciler.model.events import StepEnded
from reconciler.model.outcome import Check, Dropped, Loss, Outcome, Status
from reconciler.model.plan import Disruption
from reconciler.report.json.form import Form, Forms, Item
from reconciler.report.json.plan import read_step, step_object


def outcome_object(outcome: Outcome) -> dict[str, Any]:
    """One step's end."""
    return FORMS.encode(StepEnded.of(outcome))


def logged_step(outcome: Outcome) -> dict[str, Any]:
    """The same for the log, as soon as it ends: without its phase, and with its group under the name by which
    the log's other events call a tunnel."""
    item = outcome_object(outcome)
    keys = ("router", "summary", "disruption", "status", "message", "seconds")
    return {"tunnel": item["group"], **{key: item[key] for key in keys}}


def check_object(check: Check) -> dict[str, Any]:
    """One verdict."""
    return FORMS.encode(check)


def loss_object(loss: Loss) -> dict[str, Any]:
    """What an apply cost one tunnel."""
    return FORMS.encode(loss)


def dropped_object(dropped: Dropped) -> dict[str, Any]:
    """What the kernel of one router has counted."""
    return FORMS.encode(dropped)


def _outcome(item: StepEnded) -> dict[str, Any]:
    return {
        **step_object(item.step),
        "status": item.status.value,
        "message": item.message,
        "seconds": round(item.seconds, 4),
    }


def _read_outcome(item: Item) -> StepEnded:
    status = Status(item.text("status"))
    return StepEnded(read_step(item), status, item.text("message"), item.decimal("seconds"))


def _check(item: Check) -> dict[str, Any]:
    return {"name": item.name, "passed": item.passed, "evidence": item.evidence}


def _read_check(item: Item) -> Check:
    return Check(item.text("name"), item.flag("passed"), item.text("evidence"))


def _loss(item: Loss) -> dict[str, Any]:
    return {
        "tunnel": item.tunnel,
        "router": item.router,
        "predicted": item.predicted.value,
        "sent": item.sent,
        "lost": item.lost,
        "longest_ms": round(item.longest * 1000),
        "silent_ms": round(item.silent * 1000),
    }


def _read_loss(item: Item) -> Loss:
    return Loss(
        item.text("tunnel"),
        item.text("router"),
        Disruption(item.text("predicted")),
        item.number("sent"),
        item.number("lost"),
        item.number("longest_ms") / 1000,
        item.number("silent_ms", 0) / 1000,
    )


def _dropped(item: Dropped) -> dict[str, Any]:
    return {"router": item.router, "packets": item.packets}


def _read_dropped(item: Item) -> Dropped:
    return Dropped(item.text("router"), item.number("packets"))


FORMS = Forms(
    Form("outcome", StepEnded, _outcome, _read_outcome),
    Form("check", Check, _check, _read_check),
    Form("loss", Loss, _loss, _read_loss),
    Form("dropped", Dropped, _dropped, _read_dropped),
)
