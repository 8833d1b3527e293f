"""Machine output: one JSON object a line, the first of `type` `version`. Keys are only ever added within
a major version. Key material appears as fingerprints, as everywhere in a plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from reconciler.diagnosis import Finding
from reconciler.model.absence import Absence
from reconciler.model.bounds import EXPOSED_WRITTEN, FIELDS_WRITTEN
from reconciler.model.observation import Observation
from reconciler.model.outcome import Check, Loss, Outcome
from reconciler.model.plan import Action, Plan, ResourceChange, Step
from reconciler.model.record import RunRecord
from reconciler.model.router_config import IkeSa
from reconciler.model.settings import UNOBSERVABLE, Change, Live
from reconciler.policy import Deferral, Judgement
from reconciler.report.json_diagnostics import place_object


def plan_objects(plan: Plan, now: Plan | None = None) -> Iterator[dict[str, Any]]:
    """One object a resource, then one for what was left out, one for each pair of networks whose traffic is
    in the clear afterwards, then the summary. `now` is the part of it that may be done now; None for all of
    it, and then nothing is marked as `later`."""
    for change in plan.changes:
        yield {"type": "resource_change", **resource_object(change, FIELDS_WRITTEN)}
    yield from absence_objects(plan.unreachable)
    for tunnel, reason in sorted(plan.withheld.items()):
        cause = "key" if tunnel in plan.keyless else "other-end"
        yield {"type": "withheld", "tunnel": tunnel, "cause": cause, "reason": reason}
    exposed = plan.exposed
    soon = set((plan if now is None else now).exposed)
    for router, pair in exposed[:EXPOSED_WRITTEN]:
        later = {} if (router, pair) in soon else {"later": True}
        yield {"type": "exposed", "router": router, "source": pair[0], "destination": pair[1], **later}
    counts = {action.value: plan.count(action) for action in Action}
    if now is not None and (waiting := plan.later(now).changes):
        counts["later"] = len(waiting)
    if len(exposed) > EXPOSED_WRITTEN:
        counts["more_exposed"] = len(exposed) - EXPOSED_WRITTEN
    yield {"type": "plan_summary", **counts, "digest": plan_digest(plan)}


def absence_objects(absences: Mapping[str, Absence]) -> Iterator[dict[str, Any]]:
    """One object for each router that has no part in a plan."""
    for router, absence in sorted(absences.items()):
        yield {
            "type": "unreachable",
            "router": router,
            "kind": absence.kind.value,
            "reason": absence.reason,
        }


def judgement_objects(judgement: Judgement) -> Iterator[dict[str, Any]]:
    """One object for each thing that is refused, deferred or overridden, with what would override it."""
    for kind, found in (
        ("refused", judgement.refusals),
        ("deferred", judgement.deferrals),
        ("overridden", judgement.overridden),
    ):
        for item in found:
            body: dict[str, Any] = {
                "type": kind,
                "resources": [str(resource) for resource in item.resources],
                "reason": item.reason,
                "override": None if item.override is None else item.override.value,
            }
            if isinstance(item, Deferral):
                body["until"] = None if item.until is None else item.until.isoformat()
            else:
                body["hint"] = item.hint
            yield body


def resource_object(change: ResourceChange, most: int | None = None) -> dict[str, Any]:
    """One resource with its steps, and its fields up to `most` of them; the rest is counted."""
    return {
        "router": change.resource.router,
        "kind": change.resource.kind,
        "name": change.resource.name,
        "action": change.action.value,
        "reason": change.reason,
        "disruption": change.disruption.value,
        "changes": [_change_object(item) for item in change.changes[:most]],
        **_more(change, most),
        "steps": [_step_object(step) for step in change.steps],
    }


def _more(change: ResourceChange, most: int | None) -> dict[str, int]:
    left_out = len(change.changes[most:]) if most is not None else 0
    return {"more_changes": left_out} if left_out else {}


def _change_object(change: Change) -> dict[str, Any]:
    return {
        "path": change.path,
        "before": _value(change.before),
        "after": _value(change.after),
        "known_from": change.source,
    }


def _value(value: Live) -> object:
    if value is UNOBSERVABLE:
        return {"unobservable": True}
    return list(value) if isinstance(value, tuple) else value


def _step_object(step: Step) -> dict[str, Any]:
    return {
        "router": step.router,
        "phase": step.phase.name.lower(),
        "group": step.group,
        "summary": step.summary,
        "disruption": step.disruption.value,
    }


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
        digest.update(json.dumps(resource_object(change), sort_keys=True).encode())
    digest.update(b"], " + json.dumps(rest, sort_keys=True)[1:].encode())
    return digest.hexdigest()


def loss_object(loss: Loss) -> dict[str, Any]:
    """What an apply cost one tunnel."""
    return {
        "type": "loss",
        "tunnel": loss.tunnel,
        "router": loss.router,
        "predicted": loss.predicted.value,
        "sent": loss.sent,
        "lost": loss.lost,
        "longest_ms": round(loss.longest * 1000),
        "silent_ms": round(loss.silent * 1000),
    }


def outcome_object(outcome: Outcome) -> dict[str, Any]:
    """One step's end."""
    return {
        "type": "outcome",
        **_step_object(outcome.step),
        "status": outcome.status.value,
        "message": outcome.message,
        "seconds": round(outcome.seconds, 4),
    }


def check_object(check: Check) -> dict[str, Any]:
    """One verdict."""
    return {"type": "check", **asdict(check)}


def finding_object(item: Finding) -> dict[str, Any]:
    """One cause that a diagnosis found."""
    return {
        "type": "finding",
        "severity": item.severity.value,
        "code": item.code,
        "tunnel": item.tunnel,
        "router": item.router,
        "document": {"kind": item.field.kind, "name": item.field.name},
        "path": str(item.field),
        **place_object(item.location),
        "message": item.message,
        "seen": list(item.seen),
        "hint": item.hint,
    }


def status_objects(seen: Observation) -> Iterator[dict[str, Any]]:
    """One object a router, then one for each of its IKE_SAs."""
    yield from absence_objects({name: Absence.of(error) for name, error in seen.failures.items()})
    for name, state in sorted(seen.states.items()):
        yield {"type": "router", "router": name, "version": state.version, "data_plane": state.data_plane}
        yield from ({"type": "ike_sa", "router": name, **sa_object(sa)} for sa in state.sas)


def sa_object(sa: IkeSa) -> dict[str, Any]:
    """One IKE_SA with its CHILD_SAs."""
    return asdict(sa)


def run_object(record: RunRecord) -> dict[str, Any]:
    """One run of the reconciler, without what it wrote meanwhile."""
    return {"type": "run", **record.summary()}
