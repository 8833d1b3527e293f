"""As much of a run as may be kept."""

from __future__ import annotations

import json
from dataclasses import replace

from reconciler.model import bounds
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.events import LeftOut, PlannedChange, StepEnded, Traced
from reconciler.model.listing import counted
from reconciler.model.outcome import Check
from reconciler.model.record import RunRecord
from reconciler.model.visible import encodable
from reconciler.report.json.events import encode

_BULK = (PlannedChange, StepEnded, Check, Diagnostic, Traced)
"""Events that a run may have by the hundred thousand; notifications are made of the rest."""


def bounded(record: RunRecord) -> RunRecord:
    """The run with as many of its events as may be kept, in their order, and how many of them are left out;
    of many alike the last ones go first."""
    sizes = [len(json.dumps(encode(event))) for event in record.events]
    # What is no text at all, in words of others, could not be written.
    message = encodable(record.message)
    if len(message) > bounds.RECORD_MESSAGE:
        message = f"{message[: bounds.RECORD_MESSAGE]}… ({counted(len(message), 'character')})"
    if sum(sizes) <= bounds.RECORD:
        return replace(record, message=message)
    room = bounds.RECORD
    kept: set[int] = set()
    order = sorted(range(len(sizes)), key=lambda number: isinstance(record.events[number], _BULK))
    for number in order:
        room -= sizes[number]
        if room < 0:
            break
        kept.add(number)
    events = [event for number, event in enumerate(record.events) if number in kept]
    left_out = LeftOut(len(sizes) - len(kept), bounds.RECORD)
    return replace(record, message=message, events=(*events, left_out))
