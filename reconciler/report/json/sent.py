"""What receivers of notifications were sent, as the history keeps it."""

from __future__ import annotations

import json
from typing import Any

from reconciler.model.notification import Lasting, Sent, SentMessages, SentStatus, Topic, Unreadable
from reconciler.report.json.form import Form, Item, texts


def _status_body(item: SentStatus) -> dict[str, Any]:
    return {"head": item.head, "result": item.result}


def _read_status(item: Item) -> SentStatus:
    return SentStatus(item.text("head"), item.text("result"))


def _messages_body(item: SentMessages) -> dict[str, Any]:
    states = [[state.topic.value, state.subject, state.router] for state in sorted(item.states)]
    return {"run": item.run, "states": states}


def _read_messages(item: Item) -> SentMessages:
    run = item.number("run")
    if run < 0:
        raise ValueError("runs are counted from 0")
    return SentMessages(run, frozenset(map(_state, item.sequence("states"))))


def _state(value: object) -> Lasting:
    topic, subject, router = texts(value)
    return Lasting(Topic(topic), subject, router)


_STATUS = Form("sent-status", SentStatus, _status_body, _read_status)
_MESSAGES = Form("sent-messages", SentMessages, _messages_body, _read_messages)


def sent_object(sent: Sent) -> dict[str, Any]:
    """As it is kept: in a row of its receiver alone, so that it needs no `type`."""
    return _STATUS.body(sent) if isinstance(sent, SentStatus) else _MESSAGES.body(sent)


def read_sent(kept: object) -> Sent | Unreadable:
    """From the text that was kept of it, whatever another version or another program has kept."""
    try:
        item = Item(json.loads(kept) if isinstance(kept, str) else kept)
        return (_STATUS if item.has("head") else _MESSAGES).read(item)
    except (ValueError, RecursionError):
        return Unreadable()
