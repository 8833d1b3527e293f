"""What the limits say of a plan, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from reconciler.model.events import Overridden
from reconciler.model.judgement import Deferral, Judgement, Override, Refusal, Withholding
from reconciler.model.plan import Resource
from reconciler.plan.events import judgement_events
from reconciler.report.json.form import Form, Forms, Item


def judgement_objects(judgement: Judgement) -> Iterator[dict[str, Any]]:
    """One object for each thing that is refused, deferred or overridden, with what would override it."""
    return map(FORMS.encode, judgement_events(judgement))


def _refusal(item: Refusal | Withholding) -> dict[str, Any]:
    return {**_shared(item.resources, item.reason, item.override), "hint": item.hint}


def _deferral(item: Deferral) -> dict[str, Any]:
    until = None if item.until is None else item.until.isoformat()
    return {**_shared(item.resources, item.reason, item.override), "until": until}


def _overridden(item: Overridden) -> dict[str, Any]:
    return _deferral(item.finding) if isinstance(item.finding, Deferral) else _refusal(item.finding)


def _shared(resources: Sequence[Resource], reason: str, override: Override | None) -> dict[str, Any]:
    return {
        "resources": [str(resource) for resource in resources],
        "reason": reason,
        "override": None if override is None else override.value,
    }


def _read_refusal(item: Item) -> Refusal:
    return Refusal(_resources(item), item.text("reason"), item.text("hint"), _override(item))


def _read_deferral(item: Item) -> Deferral:
    until = datetime.fromisoformat(item.text("until")) if item.has("until") else None
    return Deferral(_resources(item), item.text("reason"), _override(item), until)


def _read_overridden(item: Item) -> Overridden:
    return Overridden(_read_refusal(item) if item.has("hint") else _read_deferral(item))


def _resources(item: Item) -> tuple[Resource, ...]:
    return tuple(map(Resource.read, item.texts("resources")))


def _override(item: Item) -> Override | None:
    return Override(item.text("override")) if item.has("override") else None


FORMS = Forms(
    Form("refused", Refusal, _refusal, _read_refusal),
    Form("deferred", Deferral, _deferral, _read_deferral),
    Form("overridden", Overridden, _overridden, _read_overridden),
)
