"""A plan as JSON, and its digest, which is made over the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model.absence import Absence, AbsenceKind
from reconciler.model.events import (
    DuplicateAddress,
    Exposed,
    PlannedChange,
    PlannedStep,
    PlanSummary,
    ToConfirm,
    Unreachable,
    UnusedVip,
    Withheld,
    WithheldFor,
)
from reconciler.model.plan import Action, Disruption, Phase, Plan, Resource, ResourceKind
from reconciler.model.swanctl import UNOBSERVABLE, Change, Live
from reconciler.plan.events import absence_events, plan_events
from reconciler.report.json.form import Form, Forms, Item, texts


def plan_objects(plan: Plan, now: Plan | None = None) -> Iterator[dict[str, Any]]:
    """The events of a plan as objects; `now` is the part of it that may be done now, None for all of it. The
    digest, which takes long for a large plan, is made once the first object is asked for: text needs none."""
    yield from map(FORMS.encode, plan_events(plan, plan_digest(plan), now))


def absence_objects(absences: Mapping[str, Absence]) -> Iterator[dict[str, Any]]:
    """One object for each router that has no part in a plan."""
    return map(FORMS.encode, absence_events(absences))


def plan_digest(plan: Plan) -> str:
    """SHA-256 over everything that a plan shows. Two plans with one digest do the same."""
    rest = {
        "unreachable": {router: str(absence) for router, absence in plan.unreachable.items()},
        "withheld": dict(plan.withheld),
    }
    # One resource at a time: all fields of all resources take hundreds of megabytes as objects.
    digest = hashlib.sha256(b'{"changes": [')
    for number, change in enumerate(plan.changes):
        digest.update(b", " if number else b"")
        digest.update(json.dumps(_change(PlannedChange.of(change)), sort_keys=True).encode())
    digest.update(b"], " + json.dumps(rest, sort_keys=True)[1:].encode())
    return digest.hexdigest()


def _change(item: PlannedChange) -> dict[str, Any]:
    return {
        "router": item.resource.router,
        "kind": item.resource.kind,
        "name": item.resource.name,
        "action": item.action.value,
        "reason": item.reason,
        "disruption": item.disruption.value,
        "changes": [_field(field) for field in item.changes],
        **({"more_changes": item.more_changes} if item.more_changes else {}),
        "steps": [step_object(step) for step in item.steps],
    }


def _read_change(item: Item) -> PlannedChange:
    return PlannedChange(
        Resource(item.text("router"), ResourceKind(item.text("kind")), item.text("name")),
        Action(item.text("action")),
        item.text("reason"),
        Disruption(item.text("disruption")),
        tuple(map(_read_field, item.items("changes"))),
        tuple(map(read_step, item.items("steps"))),
        item.number("more_changes", 0),
    )


def _field(item: Change) -> dict[str, Any]:
    return {
        "path": item.path,
        "before": _value(item.before),
        "after": _value(item.after),
        "known_from": item.source,
    }


def _read_field(item: Item) -> Change:
    before, after = _read_value(item.value("before")), _read_value(item.value("after"))
    return Change(item.text("path"), before, after, item.text("known_from"))


def _value(value: Live) -> object:
    if value is UNOBSERVABLE:
        return {"unobservable": True}
    return list(value) if isinstance(value, tuple) else value


def _read_value(value: object) -> Live:
    match value:
        case None | str():
            return value
        case {"unobservable": True}:
            return UNOBSERVABLE
    return texts(value)


def step_object(step: PlannedStep) -> dict[str, Any]:
    """A step, without what it is done by."""
    return {
        "router": step.router,
        "phase": step.phase.name.lower(),
        "group": step.group,
        "summary": step.summary,
        "disruption": step.disruption.value,
    }


def read_step(item: Item) -> PlannedStep:
    """The step that was written so."""
    return PlannedStep(
        item.text("router"),
        Phase[item.text("phase").upper()],
        item.text("group"),
        item.text("summary"),
        Disruption(item.text("disruption")),
    )


def _unreachable(item: Unreachable) -> dict[str, Any]:
    return {"router": item.router, "kind": item.absence.kind.value, "reason": item.absence.reason}


def _read_unreachable(item: Item) -> Unreachable:
    kind = AbsenceKind(item.text("kind", AbsenceKind.UNREACHABLE))
    return Unreachable(item.text("router"), Absence(kind, item.text("reason")))


def _withheld(item: Withheld) -> dict[str, Any]:
    return {"tunnel": item.tunnel, "cause": item.cause.value, "reason": item.reason}


def _read_withheld(item: Item) -> Withheld:
    cause = WithheldFor(item.text("cause", WithheldFor.OTHER_END))
    return Withheld(item.text("tunnel"), cause, item.text("reason"))


def _duplicate(item: DuplicateAddress) -> dict[str, Any]:
    return {
        "address": item.address,
        "network": item.network,
        "routers": list(item.routers),
        "foreign": list(item.foreign),
        "wanted": list(item.wanted),
    }


def _read_duplicate(item: Item) -> DuplicateAddress:
    return DuplicateAddress(
        item.text("address"),
        item.text("network"),
        item.texts("routers"),
        item.texts("foreign"),
        item.texts("wanted"),
    )


def _unused(item: UnusedVip) -> dict[str, Any]:
    return {
        "router": item.router,
        "address": item.address,
        "interface": item.interface,
        "document": item.document,
    }


def _read_unused(item: Item) -> UnusedVip:
    return UnusedVip(item.text("router"), item.text("address"), item.text("interface"), item.text("document"))


def _exposed(item: Exposed) -> dict[str, Any]:
    later = {"later": True} if item.later else {}
    return {"router": item.router, "source": item.source, "destination": item.destination, **later}


def _read_exposed(item: Item) -> Exposed:
    later = item.flag("later", default=False)
    return Exposed(item.text("router"), item.text("source"), item.text("destination"), later)


def _to_confirm(item: ToConfirm) -> dict[str, Any]:
    return {"seconds": item.seconds, "steps": [step_object(step) for step in item.steps]}


def _read_to_confirm(item: Item) -> ToConfirm:
    return ToConfirm(item.number("seconds"), tuple(map(read_step, item.items("steps"))))


def _summary(item: PlanSummary) -> dict[str, Any]:
    return {
        "create": item.create,
        "update": item.update,
        "delete": item.delete,
        **({"later": item.later} if item.later else {}),
        **({"more_exposed": item.more_exposed} if item.more_exposed else {}),
        "digest": item.digest,
    }


def _read_summary(item: Item) -> PlanSummary:
    return PlanSummary(
        item.number("create"),
        item.number("update"),
        item.number("delete"),
        item.text("digest"),
        item.number("more_exposed", 0),
        item.number("later", 0),
    )


FORMS = Forms(
    Form("resource_change", PlannedChange, _change, _read_change),
    Form("unreachable", Unreachable, _unreachable, _read_unreachable),
    Form("withheld", Withheld, _withheld, _read_withheld),
    Form("duplicate_address", DuplicateAddress, _duplicate, _read_duplicate),
    Form("unused_vip", UnusedVip, _unused, _read_unused),
    Form("exposed", Exposed, _exposed, _read_exposed),
    Form("to_confirm", ToConfirm, _to_confirm, _read_to_confirm),
    Form("plan_summary", PlanSummary, _summary, _read_summary),
)
