"""Nasty texts in the answers of routers, forges and key stores, through every command that shows them."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from reconciler.apply import establish
from reconciler.cli import access
from reconciler.facets.files import swanctl_conf
from reconciler.model.condition import State
from reconciler.model.errors import CommandRejected, ExitCode, RouterUnreachable, SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret
from reconciler.model.trace import Trace
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.report.sheets import FORMATS as SHEETS
from reconciler.routers.protocol import Router
from reconciler.secrets import SecretStore
from tests.allowed import ALLOWED
from tests.forges import PROJECT, TOKEN, Answer, Request, listening
from tests.unit.outputs.commands import Runner
from tests.unit.outputs.nasty import ALL, SEEN, TEXTS, WORDS, as_yaml, write_broken_tree
from tests.unit.outputs.parsing import (
    check_html,
    check_lines,
    check_metrics,
)
from tests.unit.page.crawl import ask, crawled
from tests.unit.page.sites import paged
from tests.unit.service.followed import KEY, Followed, followed

# Apprise imports a module that Python 3.13 has no more, and knows it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
ENDS = (("paris-tunnel.yaml", "paris", "tokyo"), ("tokyo-tunnel.yaml", "tokyo", "paris"))
IDS = {"paris": "\"quotes' ; } { include /x \\ #é", "tokyo": "x ## [a](b) `c` |d| ${e} %f%"}
"""What a document may say, and a configuration must quote."""


@dataclass(slots=True)
class Stage:
    """Two sites with a tunnel, whose routers give unexpected answers."""

    runner: Runner
    site: Followed
    unplugged: set[str] = field(default_factory=set)

    def connect(self, name: str) -> Router:
        if name in self.unplugged:
            raise RouterUnreachable(ALL, router=name, operation="connect", hint=ALL)
        return self.site.connect(name)

    def words(self, command: str, *words: str) -> list[str]:
        return [command, str(self.site.tree), "--secrets", "keys", *words]


@pytest.fixture
def stage(runner: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    made = Stage(runner, followed(tmp_path))
    monkeypatch.setattr(establish, "OVERLAP", 0.0)
    monkeypatch.setattr(access, "connector", lambda *_: made.connect)
    monkeypatch.setenv("KEY", KEY)
    for name, value in ALLOWED.items():
        monkeypatch.setenv(name, value)
    for file, here, there in ENDS:
        tree = made.site.tree / file
        text = tree.read_text().replace(f"{{name: {here}-{there}}}", as_yaml(_metadata(f"{here}-{there}")))
        identity = {"type": "name", "local": IDS[here], "peer": IDS[there]}
        description = as_yaml(WORDS)
        tree.write_text(f"{text}  description: {description}\n  identity: {json.dumps(identity)}\n")
    made.site.commit({})
    assert runner.run(*made.words("apply", "--auto-approve", "--wait", "0.1")).code == ExitCode.OK
    return made


def _metadata(name: str) -> dict[str, object]:
    texts = {f"x{number}": text for number, text in enumerate(TEXTS)}
    return {"name": name, "annotations": texts}


def strange(site: Followed) -> None:
    """What was configured by hand, and what charon and the host call things."""
    paris = site.routers["paris"]
    settings = next(iter(paris.vici.connections.values()))
    for text in (WORDS, *TEXTS):
        paris.vici.connections[f"tw-{text}"] = {**settings, "local": {"id": f"fqdn:x{text}"}}
        paris.vici.connections[f"x{text}"] = settings
    paris.host.files[f"tw-{WORDS}.conf"] = next(iter(paris.host.files.values()))
    paris.host.kept_traces.append(Trace(datetime.now(UTC), ALL))


@pytest.mark.parametrize("command", ["plan", "apply", "status", "verify", "diagnose", "import"])
def test_routers_that_say_anything(command: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    strange(stage.site)
    more = {"apply": ["--auto-approve", "--wait", "0.1"], "import": ["--out", "-"]}.get(command, [])
    seen = command in {"plan", "import"}
    if command in {"plan", "apply"}:
        # Of strangers some names are shown; all of them when they are to be destroyed, as apply does once.
        stage.runner.check(*stage.words(command, *more), seen=False)
        more = [*more, "--override", "deletions"]
        assert SEEN in stage.runner.run(*stage.words(command, *more)).both
        strange(stage.site)
    stage.runner.check(*stage.words(command, *more), seen=seen)

    def refuse(*_: Any, **__: Any) -> Any:
        raise CommandRejected(ALL, router="paris", operation=ALL, hint=ALL)

    for operation in ("write_files", "change_firewall", "ping", "probe", "inspect", "remove_files", "lock"):
        monkeypatch.setattr(stage.site.routers["paris"].host, operation, refuse)
    stage.runner.check(*stage.words(command, *more), seen=seen)
    stage.unplugged.add("paris")
    stage.runner.check(*stage.words(command, *more), seen=command != "verify")


def test_a_saved_plan_holds_any_text(stage: Stage) -> None:
    strange(stage.site)
    stage.runner.run(*stage.words("plan", "--out", "plan.json"))
    saved = Path("plan.json").read_bytes().decode("ascii")
    check_lines(saved)
    assert json.dumps(WORDS)[1:-1] in json.dumps(json.loads(saved))


@pytest.mark.parametrize("form", SHEETS)
def test_a_sheet_is_what_its_reader_can_load(form: str, stage: Stage) -> None:
    words = ["peer-sheet", "paris-tokyo", str(stage.site.tree), "--format", form]
    stage.runner.check(*words, seen=False)
    said = stage.runner.run(*words)
    assert said.code == (ExitCode.OK if form in {"table", "swanctl"} else ExitCode.ERROR)
    if form == "swanctl":
        root = swanctl_conf.read("sheet", said.out.encode(), lambda _: ())
        assert set(root.sections) == {"connections", "secrets"}
        [end] = root.sections["connections"].sections.values()
        assert end.sections["local"].entries["id"].text == f"fqdn:{IDS['tokyo']}"


def test_a_run_and_all_that_is_sent_of_it(stage: Stage) -> None:
    """Record, log, metrics, commit status and message of one run; then what the history shows."""
    received: list[Request] = []

    def receive(request: Request) -> Answer:
        received.append(request)
        return Answer(200, {})

    with listening(receive, threading.Event()) as host:
        for name, text in {"token": TOKEN, "url": f"json://{host.removeprefix('http://')}/x"}.items():
            Path(name).touch(mode=0o600)
            Path(name).write_text(text)
        here = Path.cwd()
        settings = {
            "repository": str(stage.site.repository.working_dir),
            "state": f"{here}/state",
            "metricsFile": f"{here}/metrics.prom",
            "status": {"forge": "gitea", "url": host, "project": PROJECT, "tokenFile": f"{here}/token"},
            "notify": [
                {
                    "urlFile": f"{here}/url",
                    "on": ["changed", "incomplete", "drift", "down", "refused", "failed"],
                }
            ],
            "wait": 1,
        }
        Path("text.yaml").write_text(json.dumps(settings))
        Path("json.yaml").write_text(json.dumps({**settings, "logFormat": "json"}))
        words = ["reconcile", "--once", "--config"]
        stage.runner.check(*words, "text.yaml", seen=False)
        strange(stage.site)
        stage.runner.check(*words, "text.yaml", seen=False)
        strange(stage.site)
        logged = stage.runner.run(*words, "json.yaml")
        check_lines(logged.out)
        assert all(json.loads(line)["event"] for line in logged.out.splitlines())
        stage.unplugged.add("paris")
        stage.runner.check(*words, "text.yaml")
        write_broken_tree(stage.site.tree / "broken")
        stage.site.commit({})
        stage.runner.check(*words, "text.yaml")
    stage.runner.check("history", "--config", "text.yaml")
    for number in range(1, 8):
        stage.runner.check("show", str(number), "--config", "text.yaml", seen=number == 7)
    check_metrics(Path("metrics.prom").read_bytes().decode())
    messages = [request.body["message"] for request in received if request.path == "/x"]
    descriptions = [request.body["description"] for request in received if request.path != "/x"]
    assert any("\\x1b" in text for text in messages)
    assert any("\\x1b" in text for text in descriptions)
    for text in messages:
        assert all(line.startswith(("- ", "run ")) for line in text.split("\n"))
        assert not any(mark in text for mark in ("@everyone", "<!channel", "://", "]("))
    for text in descriptions:
        check_lines(text)
        assert "\n" not in text


@pytest.mark.parametrize("code", [400, 401, 500, 308])
def test_a_forge_that_says_anything(code: int, runner: Runner, tmp_path: Path) -> None:
    site = followed(tmp_path)
    Path("token").touch(mode=0o600)
    Path("token").write_text(TOKEN)

    def answer(_: Request) -> Answer:
        return Answer(code, {"message": ALL}, {"Location": "http://[bad\x1b[31m"})

    with listening(answer, threading.Event()) as host:
        words = ["--forge", "gitea", "--forge-url", host, "--project", PROJECT, "--comment", "1"]
        said = runner.run("preview", str(site.tree), "--base", "HEAD", *words, "--token-file", "token")
    assert said.code == ExitCode.ERROR
    check_lines(said.both)


def test_a_key_store_that_says_anything(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every key, then of that of one end alone."""

    def refuse(_: SecretStore, reference: PskRef) -> Secret:
        if reference.name in refused:
            raise SecretUnavailable(ALL, hint=ALL)
        return Secret(KEY.encode())

    refused = {"KEY", "NEXT"}
    monkeypatch.setattr("reconciler.secrets.store.SecretStore._variable", refuse)
    for command in ("plan", "apply", "verify", "status"):
        stage.runner.check(*stage.words(command))
    refused = {"NEXT"}
    tokyo = stage.site.tree / "tokyo-tunnel.yaml"
    tokyo.write_text(tokyo.read_text().replace("env: KEY", "env: NEXT"))
    for command in ("plan", "apply", "verify", "status"):
        stage.runner.check(*stage.words(command))


@pytest.mark.parametrize("unplugged", [False, True])
def test_a_page_of_what_says_anything(stage: Stage, unplugged: bool) -> None:
    """Documents, commits, routers, runs and their errors in each page that a link leads to."""
    repository = stage.site.repository
    message = ALL.replace("\0", "").replace("\n", " ").encode(errors="replace").decode()
    repository.git.commit("--allow-empty", "--message", message)
    with paged(stage.site.folder, site=stage.site) as page:
        strange(stage.site)
        if unplugged:
            stage.site.unplugged["paris"] = ALL
        page.run()
        page.source.happened(TunnelEvent(datetime.now(UTC), "paris", WORDS, TunnelChange.ALERT, detail=WORDS))
        page.prober.shows(page.source, "paris-tokyo", State.DEGRADED, reason=ALL, target=WORDS)
        found = crawled(page.address)
    assert {"/connections/paris-tokyo", "/routers/paris", "/runs/2", "/commits", "/drift"} <= set(found)
    for path, answer in found.items():
        assert answer.status == (404 if path == "/nothing" else 200), path
        if "html" in answer.headers["content-type"]:
            check_html(answer.text)
    assert SEEN in found["/commits"].text
    assert SEEN in found["/runs/2" if unplugged else "/"].text


def test_a_page_is_itself_whatever_was_asked_for(stage: Stage) -> None:
    with paged(stage.site.folder, site=stage.site) as page:
        for text in (*TEXTS, "/evil.example/x"):
            word = quote(text, safe="/")
            for path in (f"/?q={word}", f"/{word}", f"/runs/{word}", f"/connections/{word}?{word}"):
                check_html(ask(page.address, path).text)
