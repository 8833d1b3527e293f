"""What a receiver of messages was sent is kept in a form that this version does not know."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.forges.choose import forge
from reconciler.forges.forge import Kind
from reconciler.history.kept import Kept
from reconciler.model.isolation import unforeseen
from reconciler.model.notification import Notification, Topic
from reconciler.model.record import Result, RunRecord
from reconciler.model.secret import Secret
from reconciler.report.json.events import decode
from reconciler.service.metrics import Metrics
from reconciler.service.notifier import CommitStatuses, Messages
from tests.forges import PROJECT, SHA, TOKEN, forge_server
from tests.unit.history.stored import RUN

FAILED = replace(RUN, result=Result.FAILED, message="no plan")
FOREIGN = [
    "",
    "no JSON",
    "17",
    "[1, 2]",
    "[" * 100_000,
    "9" * 5_000,
    json.dumps({}),
    json.dumps({"run": 1}),
    json.dumps({"run": "1", "states": []}),
    json.dumps({"run": -1, "states": []}),
    json.dumps({"run": 10**30, "states": []}),
    json.dumps({"run": 99, "states": []}),
    json.dumps({"run": 1, "states": {}}),
    json.dumps({"run": 1, "states": [["down"]]}),
    json.dumps({"run": 1, "states": [["no such event", "a", "b"]]}),
    json.dumps({"run": 1, "states": [["down", None, 7]]}),
    json.dumps({"run": 1, "states": [[[], "a", "b"]]}),
    json.dumps({"number": 1, "lasting": []}),
]


class Chat:
    """A receiver of messages."""

    def __init__(self, history: Kept) -> None:
        self.texts: list[str] = []
        self.messages = Messages("chat", self._send, history, frozenset(Topic))

    def _send(self, found: Sequence[Notification], _: RunRecord) -> None:
        self.texts += [item.text for item in found]


def put(path: Path, what: str | bytes) -> None:
    connection = sqlite3.connect(path)
    connection.execute("INSERT OR REPLACE INTO sent VALUES ('chat', ?)", (what,))
    connection.commit()
    connection.close()


@pytest.mark.parametrize("what", [*FOREIGN, b"\xff\xfe"], ids=lambda what: str(what)[:40])
def test_a_receiver_with_an_unreadable_record_is_sent_the_next_run(what: str | bytes, tmp_path: Path) -> None:
    history = Kept(tmp_path / "history.db")
    history.add(RUN)
    put(tmp_path / "history.db", what)
    chat = Chat(history)
    failed = replace(FAILED, id=history.add(FAILED))
    before = unforeseen()
    chat.messages.receive(failed)
    chat.messages.receive(failed)
    assert chat.texts == ["no plan"], "once"
    assert b"tunnelwright_sent_records_unreadable_total 1.0" in Metrics(history).expose("")[1]
    put(tmp_path / "history.db", what)
    with forge_server(Kind.GITHUB) as server:
        github = forge(Kind.GITHUB, server.url, PROJECT, Secret(TOKEN.encode()))
        statuses = CommitStatuses("chat", lambda: github, history, "main", "tunnelwright")
        statuses.receive(replace(failed, head=SHA, in_force=SHA))
        statuses.receive(replace(failed, head=SHA, in_force=SHA))
        assert len(server.statuses) == 1
    assert (history.set_aside, unforeseen()) == (0, before)


def test_a_run_of_another_version_silences_no_receiver(tmp_path: Path) -> None:
    history = Kept(tmp_path / "history.db")
    chat = Chat(history)
    chat.messages.receive(replace(RUN, id=history.add(RUN)))
    other = ({"type": "rollback"}, {"type": "unreachable", "name": "paris"})
    history.add(replace(RUN, head="c" * 40, events=tuple(map(decode, other))))
    failed = replace(FAILED, id=history.add(FAILED))
    before = unforeseen().get("notification", 0)
    chat.messages.receive(failed)
    assert chat.texts == ["no plan"]
    assert unforeseen()["notification"] == before + 1
    chat.messages.receive(failed)
    assert chat.texts == ["no plan"]
