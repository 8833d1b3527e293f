"""What receivers of messages were sent, as the history keeps it."""

from __future__ import annotations

from typing import Any

from reconciler.model.notification import Lasting, Sent, Topic
from reconciler.report.json.form import Form, Item, texts


def _body(item: Sent) -> dict[str, Any]:
    states = [[state.topic.value, state.subject, state.router] for state in sorted(item.states)]
    return {"run": item.run, "states": states}


def _read(item: Item) -> Sent:
    return Sent(item.number("run"), frozenset(map(_state, item.sequence("states"))))


def _state(value: object) -> Lasting:
    topic, subject, router = texts(value)
    return Lasting(Topic(topic), subject, router)


FORM = Form("sent", Sent, _body, _read)
sent_object = FORM.body
"""As it is kept, in a place of its own and so without a `type`."""


def read_sent(kept: object, latest: int) -> Sent | None:
    """From what was kept of it; None for what another version or another program has kept, such as a run that
    is later than the latest one."""
    try:
        sent = FORM.read(Item(kept))
    except ValueError:
        return None
    return sent if 0 <= sent.run <= latest else None
