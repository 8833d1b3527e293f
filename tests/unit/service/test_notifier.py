"""Receivers of notifications: over real HTTP, with routers in memory."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab.engine import until
from reconciler.cli.main import main
from reconciler.forges.choose import forge
from reconciler.forges.forge import Forge, Kind
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.isolation import unforeseen
from reconciler.model.notification import Notification, Topic
from reconciler.model.record import Result, RunRecord
from reconciler.model.secret import Secret
from reconciler.service import schedule
from reconciler.service.message import body, send
from reconciler.service.messenger import Message, hand_over
from reconciler.service.notifier import CommitStatuses, Messages, Notifier
from tests.documents import SITE, WAN, document
from tests.forges import PROJECT, SHA, TOKEN, Answer, Request, forge_server, listening, misbehaving
from tests.repositories import new_repository
from tests.unit.service.followed import KEYED, Followed, followed

# Apprise imports a module that Python 3.13 has no more, and knows it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
ROOT = Path(__file__).parents[3]
PASSWORD = "PLANTED-5e1f0a9c7b-password"


@dataclass(slots=True)
class Inbox:
    """What takes Apprise's JSON messages. `faults` are answered first."""

    url: Secret = field(default_factory=lambda: Secret(b""))
    messages: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Answer] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        assert (request.method, request.path) == ("POST", f"/{PASSWORD}")
        assert set(request.body) >= {"version", "title", "message", "type"}
        if self.faults:
            return self.faults.pop(0)
        self.messages.append(request.body)
        return Answer(200, {})

    def titles(self) -> list[tuple[str, str]]:
        return [(message["title"], message["type"]) for message in self.messages]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    found = Inbox()
    with listening(found.answer, threading.Event()) as host:
        found.url = Secret(f"json://{host.removeprefix('http://')}/{PASSWORD}".encode())
        yield found


class Notified:
    """A reconciler in a process of its own for each run, and its receivers."""

    def __init__(self, site: Followed) -> None:
        self.site = site
        self.said: list[str] = []
        self.on = frozenset(Topic)

    def once(self, inbox: Inbox | None = None, open_forge: Forge | None = None) -> RunRecord:
        service = self.site.service()
        history = service.dependencies.history
        receivers: list[Any] = []
        if open_forge is not None:
            receivers.append(CommitStatuses("status", lambda: open_forge, history, "main", "tunnelwright"))
        if inbox is not None:
            receivers.append(Messages("messages", partial(send, lambda: inbox.url), history, self.on))
        notifier = Notifier(receivers, self.said.append)
        service.notify = notifier.notify
        record = service.once()
        notifier.close(20)
        return record


@pytest.fixture
def notified(tmp_path: Path) -> Notified:
    return Notified(followed(tmp_path))


def test_the_head_gets_a_status_for_each_way_that_a_run_ends(notified: Notified) -> None:
    with forge_server(Kind.GITHUB) as server:
        any_commit = partial(_any_commit, server.answer)
        with listening(any_commit, threading.Event()) as host:
            github = forge(Kind.GITHUB, host, PROJECT, Secret(TOKEN.encode()))
            run = partial(notified.once, open_forge=github)
            assert run().result is Result.CHANGED
            for _ in range(3):
                assert run().result is Result.IN_SYNC
            notified.site.edit("paris-tunnel.yaml", "dh-group14", "dh-group99")
            assert run().result is Result.INCOMPLETE
            notified.site.edit("paris-tunnel.yaml", "dh-group99", "dh-group14")
            notified.site.unplugged["tokyo"] = "no route"
            assert run().result is Result.INCOMPLETE
    said = [(sent["state"], sent["description"].partition(":")[0]) for sent in server.statuses]
    assert said == [
        ("success", "changed"),
        ("success", "in sync"),
        ("failure", "refused"),
        ("pending", "incomplete"),
    ], "one for each head and result; runs that are alike say nothing"
    assert "4 tunnel ends proven" not in server.statuses[1]["description"]
    assert "dh-group99" in server.statuses[2]["description"]
    assert not notified.said


def _any_commit(answer: Any, request: Request) -> Answer:
    """The server knows one commit; here each is it."""
    place, _, commit = request.path.rpartition("/")
    assert len(commit) == 40
    request.path = f"{place}/{SHA}"
    found = answer(request)
    assert isinstance(found, Answer)
    return found


def test_a_forge_that_is_down_neither_fails_nor_delays_a_run(notified: Notified) -> None:
    with forge_server(Kind.GITHUB) as server:
        server.faults = [Answer(201, {}, after=60)]
        service = notified.site.service()
        slow = forge(Kind.GITHUB, server.url, PROJECT, Secret(TOKEN.encode()))
        receiver = CommitStatuses(
            "status", lambda: slow, service.dependencies.history, "main", "tunnelwright"
        )
        notifier = Notifier([receiver], notified.said.append)
        service.notify = notifier.notify
        before = time.monotonic()
        assert service.once().result is Result.CHANGED
        assert service.once().result is Result.IN_SYNC
        assert time.monotonic() - before < 5
        assert until(lambda: len(server.requests) == 1, 5)
        notifier.close(0.2)
        assert notified.said == [
            "not all notifications were sent within 0.2 seconds; the next run sends the rest"
        ]


def test_what_a_forge_refuses_is_said_once_and_tried_again_by_itself(
    notified: Notified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.service.schedule.FIRST_RETRY", 0.01)
    with forge_server(Kind.GITHUB) as server:
        service = notified.site.service()
        github = forge(Kind.GITHUB, server.url, "acme/gone", Secret(TOKEN.encode()))
        history = service.dependencies.history
        notifier = Notifier(
            [CommitStatuses("status", lambda: github, history, "main", "x")], notified.said.append
        )
        notifier.notify(service.once())
        assert until(lambda: len(server.requests) > 3, 10)
        notifier.close(5)
    [said] = notified.said
    assert said.startswith("status: 127.0.0.1:")
    assert "answered 404" in said
    assert history.sent("status") is None


def test_a_newer_run_does_not_hurry_a_receiver_that_has_failed(
    notified: Notified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "FIRST_RETRY", 600.0)
    with forge_server(Kind.GITHUB) as server:
        service = notified.site.service()
        github = forge(Kind.GITHUB, server.url, "acme/gone", Secret(TOKEN.encode()))
        notifier = Notifier(
            [CommitStatuses("status", lambda: github, service.dependencies.history, "main", "x")],
            notified.said.append,
        )
        notifier.notify(service.once())
        assert until(lambda: len(notified.said) == 1, 10)
        for _ in range(3):
            notifier.notify(service.once())
        assert len(server.requests) == 1, "the first pause is not over"
        notifier.close(5)
        assert len(server.requests) == 2, "at its end it tries what was not tried"


def test_a_message_when_a_tunnel_goes_down_and_when_it_is_back(tmp_path: Path, inbox: Inbox) -> None:
    notified = Notified(followed(tmp_path, managed=("paris",)))
    notified.on = frozenset({Topic.DOWN, Topic.RECOVERED})
    for _ in range(4):
        notified.once(inbox)
    assert inbox.titles() == [("tunnelwright: down", "failure")]
    assert "- down: tunnel paris-tokyo at paris is configured but down\n" in inbox.messages[0]["message"]
    notified.site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    for _ in range(2):
        notified.once(inbox)
    assert inbox.titles()[1:] == [("tunnelwright: recovered", "success")]
    assert "tunnel paris-tokyo at paris is no longer down" in inbox.messages[1]["message"]


def test_drift_is_information_and_no_alarm(notified: Notified, inbox: Inbox) -> None:
    notified.once(inbox)
    assert inbox.titles() == [("tunnelwright: changed", "success")]
    notified.site.routers["paris"].host.table = None
    assert notified.once(inbox).result is Result.CHANGED
    assert inbox.titles()[1:] == [("tunnelwright: drift", "info")]
    assert "paris/firewall/inet tunnelwright had drifted and was repaired" in (inbox.messages[1]["message"])


def test_what_could_not_be_reported_is_reported_with_the_next_run(notified: Notified, inbox: Inbox) -> None:
    inbox.faults = [Answer(500, {}), Answer(403, {})]
    assert notified.once(inbox).result is Result.CHANGED
    notified.site.routers["paris"].host.table = None
    assert notified.once(inbox).result is Result.CHANGED
    assert not inbox.messages
    assert notified.said == ["messages: the service did not accept the message"] * 2, "once in each process"
    notified.once(inbox)
    notified.once(inbox)
    assert inbox.titles() == [("tunnelwright: changed, drift", "info")]


def test_a_service_that_is_down_takes_no_messages(notified: Notified) -> None:
    inbox = Inbox(Secret(f"json://127.0.0.1:1/{PASSWORD}".encode()))
    assert notified.once(inbox).result is Result.CHANGED
    assert notified.said == ["messages: the service did not accept the message"]


@pytest.mark.parametrize("url", [f"no://{PASSWORD}", PASSWORD, f"json://:{PASSWORD}@", "\x00\xff"])
def test_what_is_no_address_is_not_repeated(
    notified: Notified, url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    notified.once(Inbox(Secret(url.encode("utf-8", "surrogateescape"))))
    assert notified.said == ["messages: the file does not contain an Apprise URL (such as json://host/path)"]
    captured = capfd.readouterr()
    assert PASSWORD not in captured.out + captured.err + caplog.text


def test_the_command_notifies_the_receivers_of_its_settings(
    tmp_path: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No engine answers it, so no router does."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    repository = new_repository(tmp_path / "remote")
    shutil.copytree(ROOT / "desired_state", tmp_path / "remote" / "desired_state")
    repository.git.add("--all")
    repository.git.commit("--message", "tunnels")
    secrets = {
        "psk/site-a--site-b.psk": "PLANTED-0f3c2b8e9a7d6c5b4a39281706f5e4d3",
        "psk/site-a--site-c.psk": "PLANTED-1f3c2b8e9a7d6c5b4a39281706f5e4d3",
        "token": TOKEN,
        "chat": inbox.url.reveal().decode(),
    }
    (tmp_path / "psk").mkdir()
    for name, text in secrets.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    with forge_server(Kind.GITEA) as server:
        any_commit = partial(_any_commit, server.answer)
        with listening(any_commit, threading.Event()) as host:
            (tmp_path / "reconcile.yaml").write_text(
                f"repository: {tmp_path}/remote\nstate: {tmp_path}/state\nsecrets: {tmp_path}\nstatus:\n"
                f"  {{forge: gitea, url: '{host}/api/v1', project: "
                f"{PROJECT}, tokenFile: {tmp_path}/token}}\n"
                f"notify: [{{urlFile: {tmp_path}/chat, on: [incomplete]}}]\n"
                "page: {port: 0, url: 'https://tunnels.example.net/'}\n"
            )
            words = ["reconcile", "--once", "--lab", "none", "--config", str(tmp_path / "reconcile.yaml")]
            assert [main(words), main(words)] == [ExitCode.INCOMPLETE] * 2
    [sent] = server.statuses
    assert (sent["state"], sent["context"]) == ("pending", "tunnelwright")
    assert sent["description"].startswith("incomplete: router-a is unreachable: ")
    head = repository.head.commit.hexsha
    assert sent["target_url"] == f"https://tunnels.example.net/commits/{head}"
    [message] = inbox.messages
    assert message["title"] == "tunnelwright: incomplete"
    assert "- incomplete: router router-c does not answer: " in message["message"]
    assert message["message"].splitlines()[-1] == "https://tunnels.example.net/runs/1"
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if not line.startswith("note: ")] == []


def test_a_long_message_counts_what_it_leaves_out(notified: Notified) -> None:
    record = notified.once()
    lines = body([Notification(Topic.DOWN, f"tunnel {number}") for number in range(25)], record).splitlines()
    assert len(lines) == 22
    assert lines[20] == "- and 5 more"
    assert lines[21].startswith("run 1 of ")


class Failing:
    """A receiver that fails in its way, for so many times."""

    def __init__(self, error: Exception, times: int = 10**9) -> None:
        self.name = "failing"
        self.error = error
        self.times = times
        self.received: list[RunRecord] = []

    def receive(self, record: RunRecord) -> None:
        if len(self.received) < self.times:
            self.received.append(record)
            raise self.error
        self.received.append(record)


def test_a_receiver_that_fails_keeps_no_other_from_receiving(notified: Notified, inbox: Inbox) -> None:
    service = notified.site.service()
    messages = Messages(
        "messages", partial(send, lambda: inbox.url), service.dependencies.history, notified.on
    )
    failing = Failing(TunnelwrightError("not taken", hint="try later"))
    notifier = Notifier([failing, messages], notified.said.append)
    notifier.notify(service.once())
    notifier.close(20)
    assert notified.said == ["failing: not taken (try later)"]
    assert len(inbox.messages) == 1


@pytest.mark.parametrize("error", [ValueError("odd"), RecursionError(), MemoryError(), OSError(24, "files")])
def test_whatever_a_receiver_raises_it_is_asked_again(
    notified: Notified, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("reconciler.service.schedule.FIRST_RETRY", 0.01)
    before = unforeseen().get("notification", 0)
    failing = Failing(error, times=2)
    notifier = Notifier([failing], notified.said.append)
    notifier.notify(notified.site.service().once())
    assert until(lambda: len(failing.received) == 3, 20)
    notifier.close(5)
    [said] = notified.said
    assert said.startswith(f"failing: an unforeseen error: {type(error).__name__}")
    assert unforeseen()["notification"] == before + 2
    assert "Traceback" in caplog.text


def test_a_receiver_that_hangs_keeps_no_other_from_receiving(notified: Notified, inbox: Inbox) -> None:
    released = threading.Event()

    class Lost:
        name = "lost"

        def receive(self, _: RunRecord) -> None:
            released.wait(60)

    service = notified.site.service()
    messages = Messages(
        "messages", partial(send, lambda: inbox.url), service.dependencies.history, notified.on
    )
    notifier = Notifier([Lost(), messages], notified.said.append)
    notifier.notify(service.once())
    assert until(lambda: len(inbox.messages) == 1, 20)
    notified.site.routers["paris"].host.table = None
    notifier.notify(service.once())
    assert until(lambda: len(inbox.messages) == 2, 20)
    notifier.close(0.1)
    assert notified.said == [
        "not all notifications were sent within 0.1 seconds; the next run sends the rest"
    ]
    released.set()


@pytest.mark.parametrize(
    ("chunk", "seconds", "said"),
    [
        (b"", 3, "did not accept the message within 3 s"),
        (b"X-Header: and another\r\n", 60, "did not accept the message"),
        (b"not HTTP at all\r\n" * 9999, 60, "did not accept the message"),
    ],
    ids=["silent", "endless", "noise"],
)
def test_a_message_service_that_never_ends_its_answer(chunk: bytes, seconds: int, said: str) -> None:
    with misbehaving(b"HTTP/1.1 200 OK\r\n" if chunk[:1] != b"n" else b"", chunk) as port:
        url = Secret(f"json://127.0.0.1:{port}/{PASSWORD}".encode())
        with pytest.raises(TunnelwrightError, match=said):
            hand_over(Message(url, "title", "body", "info"), seconds=seconds)
