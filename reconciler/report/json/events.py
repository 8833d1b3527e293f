"""Events as JSON objects, and back, as the log, `--json` and the history have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.model.events import Event, Foreign
from reconciler.report.json import apply, diagnostics, judgement, plan, run
from reconciler.report.json.form import Forms, Item

FORMS = Forms(*diagnostics.FORMS, *plan.FORMS, *judgement.FORMS, *apply.FORMS, *run.FORMS)
"""Those of every event but `Foreign`, which has none of ours."""


def encode(event: Event) -> dict[str, Any]:
    """An event as a JSON object."""
    return dict(event.written) if isinstance(event, Foreign) else FORMS.encode(event)


def read_objects(text: str) -> list[dict[str, Any]]:
    """The objects of a JSON list of events, each with a type, for `decode`.

    Raises ValueError, TypeError or RecursionError for anything else.
    """
    found: object = json.loads(text)
    if not isinstance(found, list) or not all(map(_has_type, found)):
        raise ValueError("it is not a list of objects with a type")
    return found


def _has_type(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("type"), str)


def decode(item: Mapping[str, Any]) -> Event:
    """The event of a JSON object. What another version has written in its own way is `Foreign`."""
    form = FORMS.named(item.get("type"))
    if form is None:
        return Foreign(item)
    try:
        event: Event = form.read(Item(item))
    except (ValueError, KeyError, OverflowError):
        # JSON's numbers have no end, and those of a float do.
        return Foreign(item, form.of)
    return event
