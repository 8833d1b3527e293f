"""Messages to people, over what Apprise knows: mail, chat, pagers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from reconciler.model import bounds
from reconciler.model.notification import Notification, Topic
from reconciler.model.record import RunRecord
from reconciler.model.secret import Secret
from reconciler.report.encoding import chat
from reconciler.service.messenger import Message, hand_over

_MOST = 20
"""Lines of a message; more of them are counted."""
_TYPES = {
    Topic.ROLLED_BACK: "failure",
    Topic.REFUSED: "failure",
    Topic.FAILED: "failure",
    Topic.DOWN: "failure",
    Topic.SILENT: "failure",
    Topic.DEGRADED: "warning",
    Topic.INCOMPLETE: "warning",
    Topic.DRIFT: "info",
    Topic.CHANGED: "success",
    Topic.RECOVERED: "success",
}
_TOPICS = tuple(Topic)
"""In the order of their weight: a run as a whole before its routers, and trouble before what has ended."""
_WORST_FIRST = ("failure", "warning", "info", "success")


def title(notifications: Sequence[Notification]) -> str:
    """What it is about."""
    return f"tunnelwright: {', '.join(dict.fromkeys(item.topic.value for item in notifications))}"


def body(notifications: Sequence[Notification], record: RunRecord, page: str = "") -> str:
    """One line for each thing, what concerns most first, then the run, and its address on the page at `page`.
    Routers take turns, so that the tunnels of one leave room for those of others."""
    seen: Counter[tuple[Topic, str]] = Counter()
    ranked = []
    for number, item in enumerate(notifications):
        turn = (item.topic, item.router)
        ranked.append((_TOPICS.index(item.topic), seen[turn], number))
        seen[turn] += 1
    first = [notifications[number] for *_, number in sorted(ranked)[:_MOST]]
    lines = [chat(f"- {item.topic.value}: {item.text}") for item in first]
    if len(notifications) > _MOST:
        lines.append(f"- and {len(notifications) - _MOST} more")
    lines.append(f"run {record.id} of {record.finished:%Y-%m-%d %H:%M:%SZ}: {record.result}")
    return "\n".join([*lines, *([f"{page}/runs/{record.id}"] if page else [])])


def send(
    url: Callable[[], Secret], notifications: Sequence[Notification], record: RunRecord, page: str = ""
) -> None:
    """Send one message to an Apprise URL, which may hold a password. `page` is the address of the page.

    Raises TunnelwrightError when it cannot be sent; it and its words hold nothing of the URL.
    """
    types = {_TYPES[item.topic] for item in notifications}
    hand_over(
        Message(
            url(), title(notifications), body(notifications, record, page), min(types, key=_WORST_FIRST.index)
        ),
        seconds=bounds.MESSAGE_SECONDS,
    )
