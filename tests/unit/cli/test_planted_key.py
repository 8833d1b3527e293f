"""A planted key is searched for in everything that any command writes when things go wrong."""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import threading
from pathlib import Path

import pytest

from reconciler.cli.main import build_parser
from tests.forges import Answer, Request, listening
from tests.program import program
from tests.repositories import new_repository
from tests.unit.secrets.sealed import SOPS, sops_encrypt

ROOT = Path(__file__).parents[3]
PLANTED = "PLANTED-5e1f0a9c7b"
MARKS = [PLANTED.encode(), base64.b64encode(PLANTED.encode())[:12], PLANTED.encode().hex().encode()]
KEYS = ("site-a--site-b.psk", "site-a--site-c.psk")
TREE = "desired_state"
NEEDS_KEYS = ["--secrets", "secrets", "--lab", "no-such-lab"]

# Every command, as it fails without routers. A key folder follows where a command takes one.
COMMANDS: dict[str, list[str]] = {
    "allocate": ["allocate", TREE],
    "apply": ["apply", TREE, "--auto-approve", *NEEDS_KEYS],
    "convert": ["convert", TREE],
    "diagnose": ["diagnose", TREE, *NEEDS_KEYS],
    "expand": ["expand", TREE],
    "explain": ["explain", "a-to-b", TREE],
    "graph": ["graph", TREE],
    "history": ["history"],
    "import": ["import", TREE, "--router", "router-a", *NEEDS_KEYS],
    "init": ["init", TREE],
    "log": ["log", "a-to-b", TREE, "--lab", "no-such-lab", "--seconds", "0"],
    "peer-sheet": ["peer-sheet", "a-to-b", TREE, "--secrets", "secrets"],
    "plan": ["plan", TREE, "--out", "plan.json", *NEEDS_KEYS],
    "preview": ["preview", TREE],
    "reconcile": ["reconcile", "--once"],
    "reconnect": ["reconnect", "a-to-b", TREE, "--auto-approve", *NEEDS_KEYS],
    "rollback": ["rollback", "HEAD", TREE],
    "schema": ["schema", "schemas"],
    "secret": ["secret", "set", "keys/a--b.age", "--secrets", "secrets"],
    "show": ["show", "1"],
    "status": ["status", TREE, *NEEDS_KEYS],
    "ui": ["ui", TREE, "--rev", "HEAD", *NEEDS_KEYS],
    "validate": ["validate", TREE],
    "verify": ["verify", TREE, *NEEDS_KEYS],
    "vip": ["vip", "release", "203.0.113.10", TREE, "--auto-approve", *NEEDS_KEYS],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's desired state, with planted keys beside it."""
    shutil.copytree(ROOT / "desired_state", tmp_path / TREE)
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "secrets" / "psk").mkdir()
    (tmp_path / "temporary").mkdir()
    for name in KEYS:
        path = tmp_path / "secrets" / "psk" / name
        path.touch(mode=0o600)
        path.write_text(PLANTED)
    return tmp_path


def run(folder: Path, words: list[str], before: str = "", *, foreseen: bool = True) -> bytes:
    """Everything that one command writes to its streams. No engine answers it."""
    environment = {
        **os.environ,
        "DOCKER_HOST": f"unix://{folder}/no-engine.sock",
        "TMPDIR": str(folder / "temporary"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "PATH": f"{SOPS.parent}:{os.environ['PATH']}",
        "PLANTED_KEY": PLANTED,
        "PYTHONPATH": str(ROOT),
    }
    done = program(words, cwd=folder, env=environment, given=PLANTED.encode(), before=before)
    assert (b"Traceback" not in done.stderr) is foreseen, done.stderr.decode()
    return done.stdout + done.stderr


def leaks(folder: Path, said: bytes) -> list[str]:
    """Where the key is, outside of its own files."""
    written = {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name not in {"secrets", "psk"}
    }
    return [name for name, content in {"output": said, **written}.items() if any(m in content for m in MARKS)]


def test_every_command_is_among_them() -> None:
    parser = build_parser()
    (commands,) = (item for item in parser._actions if isinstance(item, argparse._SubParsersAction))
    of_the_lab = {"lab", "demo"}
    assert set(COMMANDS) == set(commands.choices) - of_the_lab


@pytest.mark.parametrize("command", COMMANDS)
def test_no_failing_command_writes_the_key(folder: Path, command: str) -> None:
    said = run(folder, COMMANDS[command])
    if NEEDS_KEYS[0] in COMMANDS[command]:
        # The key cannot be had any more: once because others may read it, once because it is empty.
        (folder / "secrets" / "psk" / KEYS[0]).chmod(0o644)
        (folder / "secrets" / "psk" / KEYS[1]).write_text("\n")
        said += run(folder, COMMANDS[command])
    assert leaks(folder, said) == []


def test_keys_of_the_repository_stay_encrypted(folder: Path) -> None:
    """Through every command of `secret`, and when what is encrypted cannot be opened."""
    private = ["--secrets", "secrets"]
    said = run(folder, ["secret", "init", *private])
    said += run(folder, ["secret", "set", "keys/a--b.age", *private])
    public = (folder / TREE / "age.recipients").read_text().strip()
    values = folder / TREE / "keys" / "a.sops.yaml"
    values.write_text(f"a--c: {PLANTED}\n")
    sops_encrypt(values, public)
    for old, new in (
        (f"file: {KEYS[0]}", "age: keys/a--b.age"),
        (f"file: {KEYS[1]}", "sops: {file: keys/a.sops.yaml, field: a--c}"),
    ):
        for path in (folder / TREE).rglob("*.yaml"):
            path.write_text(path.read_text().replace(old, new))
    said += run(folder, ["peer-sheet", "a-to-c", TREE, *private])
    plan = run(folder, COMMANDS["plan"])
    assert b"no-such-lab" in plan or b"no-engine" in plan, "both keys were opened, and no router"
    said += plan + run(folder, ["secret", "rotate", "keys/a--b.age", *private])
    (folder / TREE / "keys" / "broken.age").write_bytes(b"age-encryption.org/v1\n")
    values.write_text(values.read_text().replace("data:", "data:A", 1))
    said += run(folder, ["secret", "rekey", *private]) + run(folder, COMMANDS["plan"])
    (folder / "secrets" / "identity.txt").write_text(PLANTED)
    said += run(folder, ["secret", "rekey", *private]) + run(folder, COMMANDS["plan"])
    assert leaks(folder, said) == []


def test_a_preview_that_asks_the_routers_writes_no_key(folder: Path) -> None:
    repository = new_repository(folder)
    repository.git.add(TREE)
    repository.git.commit("--message", "tunnels")
    path = folder / TREE / "site-a--site-b.yaml"
    path.write_text(path.read_text().replace("description: ", "deletionProtection: true\n  description: "))
    repository.git.commit("--all", "--message", "protected")
    for form in ("text", "markdown", "json"):
        words = ["preview", TREE, "--base", "HEAD~1", "--live", *NEEDS_KEYS, "--format", form]
        said = run(folder, words)
        assert b"did not answer" in said
        assert leaks(folder, said) == []


def echo(request: Request) -> Answer:
    """A forge that says in its refusal what it was sent."""
    return Answer(400, {"message": f"{request.path}: {request.headers}"})


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
@pytest.mark.parametrize("answers", [True, False])
def test_neither_the_token_nor_the_address_of_messages_is_written(
    folder: Path, kind: str, answers: bool
) -> None:
    repository = new_repository(folder / "remote")
    shutil.copytree(folder / TREE, folder / "remote" / TREE)
    repository.git.add("--all")
    repository.git.commit("--message", "tunnels")
    with listening(echo, threading.Event()) as host:
        place = host if answers else "http://127.0.0.1:1"
        for name, text in {"token": PLANTED, "message": f"json://{place[7:]}/{PLANTED}"}.items():
            (folder / "secrets" / name).touch(mode=0o600)
            (folder / "secrets" / name).write_text(text)
        (folder / "reconcile.yaml").write_text(
            f"repository: {folder}/remote\nstate: {folder}/state\nsecrets: {folder}/secrets\n"
            f"status: {{forge: {kind}, url: '{place}', project: a/b, tokenFile: {folder}/secrets/token}}\n"
            f"notify: [{{urlFile: {folder}/secrets/message}}]\n"
        )
        said = run(folder, ["reconcile", "--once", "--lab", "no-such-lab", "--config", "reconcile.yaml"])
        assert b"warning: status at" in said
        assert b"warning: messages to" in said
        words = ["--forge", kind, "--forge-url", place, "--project", "a/b", "--comment", "1"]
        comment = run(
            folder / "remote", ["preview", TREE, *words, "--token-file", str(folder / "secrets" / "token")]
        )
        assert b"error: 127.0.0.1:" in comment
    assert leaks(folder, said + comment) == []
    (folder / "secrets" / "token").write_text(f"{PLANTED}\n{PLANTED}")
    broken = run(
        folder / "remote", ["preview", TREE, *words, "--token-file", str(folder / "secrets" / "token")]
    )
    assert b"visible ASCII" in broken
    assert leaks(folder, broken) == []


@pytest.mark.parametrize("where", ["right", "in place of the path"])
def test_a_check_of_the_settings_shows_no_secret(folder: Path, where: str) -> None:
    new_repository(folder / "remote").git.commit("--allow-empty", "--message", "nothing")
    right = where == "right"
    for name, text, mode in (
        ("token", f"{PLANTED}\n{PLANTED}", 0o600),
        ("chat", PLANTED, 0o600),
        ("hook", PLANTED, 0o644),
    ):
        (folder / "secrets" / name).touch()
        (folder / "secrets" / name).write_text(text)
        (folder / "secrets" / name).chmod(mode)
    paths = {name: f"{folder}/secrets/{name}" if right else PLANTED for name in ("token", "chat", "hook")}
    url = "https://git.example.net" if right else f"https://me:{PLANTED}@git.example.net"
    config = folder / "secrets" / "reconcile.yaml"
    config.write_text(
        f"repository: http://me:{PLANTED}@127.0.0.1:1/x\nstate: {folder}/state\n"
        f"listen: {{webhookSecretFile: {paths['hook']}}}\n"
        f"status: {{forge: gitlab, url: '{url}', project: a/b, tokenFile: {paths['token']}}}\n"
        f"notify: [{{urlFile: {paths['chat']}}}]\n"
    )
    said = run(folder, ["reconcile", "--check", "--config", str(config)])
    said += run(folder, ["reconcile", "--check", "--json", "--config", str(config)])
    assert said.count(b"file-unusable" if right else b"it is not shown") >= (6 if right else 8)
    assert leaks(folder, said) == []


WATCHED = """
import os, sys

FOLDER = os.getcwd()

def seen(event, words):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(words[0], str | bytes | os.PathLike):
        name = os.path.abspath(os.fsdecode(words[0]))
        if name.startswith(FOLDER) and "secrets" in name:
            sys.stderr.write(f"OPENED {name}\\n")

sys.addaudithook(seen)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["validate", TREE],
        ["validate", TREE, "--rev", "HEAD", "--json"],
        ["graph", TREE],
        ["allocate", TREE],
        ["peer-sheet", "a-to-b", TREE],
        ["preview", TREE, "--base", "HEAD~1", "--format", "markdown"],
        ["preview", TREE, "--base", "HEAD~1", "--format", "sarif"],
    ],
    ids=" ".join,
)
def test_what_runs_on_unreviewed_commits_opens_no_secret(folder: Path, words: list[str]) -> None:
    """Neither keys nor an identity, although both are where they are looked for."""
    repository = new_repository(folder)
    repository.git.add(TREE)
    repository.git.commit("--message", "tunnels")
    repository.git.commit("--allow-empty", "--message", "nothing")
    (folder / "config" / "tunnelwright").mkdir(parents=True)
    shutil.copytree(folder / "secrets", folder / "config" / "tunnelwright" / "secrets")
    run(folder, ["secret", "init"])
    said = run(folder, words, WATCHED)
    assert b"OPENED" not in said, said.decode()
    opened = run(folder, ["plan", TREE, "--lab", "no-such-lab"], WATCHED)
    assert f"secrets/psk/{KEYS[0]}".encode() in opened, "what does need the keys is seen to open them"


PASTED = ROOT / "tests" / "errors" / "pasted-key"
MARKS_OF_PASTED = (b"Sup3r", b"5f4dcc3b", b"c2VjcmV0", b"AGE-SECRET-KEY-1Q")


def test_a_key_that_was_pasted_into_a_document_is_in_no_output(folder: Path) -> None:
    shutil.rmtree(folder / TREE)
    shutil.copytree(ROOT / "tests" / "errors" / "base", folder / TREE)
    repository = new_repository(folder)
    repository.git.add(TREE)
    repository.git.commit("--message", "tunnels")
    shutil.copytree(PASTED, folder / TREE, dirs_exist_ok=True)
    (folder / TREE / "expected.txt").unlink()
    repository.git.add(TREE)
    repository.git.commit("--message", "a key in the clear")
    settings = f"repository: {folder}\nbranch: {repository.active_branch.name}\nstate: {folder}/state\n"
    settings += f"secrets: {folder}/secrets\nmetricsFile: {folder}/metrics.prom\nlogFormat: json\n"
    (folder / "reconcile.yaml").write_text(settings)
    forms = ["text", "markdown", "json", "sarif", "junit"]
    service = ["--config", "reconcile.yaml"]
    outputs = {
        " ".join(words): run(folder, words)
        for words in (
            ["validate", TREE],
            ["validate", TREE, "--json"],
            ["plan", TREE, *NEEDS_KEYS],
            *(["preview", TREE, "--base", "HEAD~1", "--format", form] for form in forms),
            ["reconcile", "--check", *service],
            ["reconcile", "--once", "--lab", "no-such-lab", *service],
            ["history", *service, "--json"],
            ["show", "1", *service],
        )
    }
    for path in folder.rglob("*"):
        if (
            path.is_file()
            and TREE not in path.parts
            and ".git" not in path.parts
            and "repository.git" not in path.parts
        ):
            outputs[str(path)] = path.read_bytes()
    assert [name for name, said in outputs.items() if any(mark in said for mark in MARKS_OF_PASTED)] == []
    assert outputs[f"validate {TREE}"].count(b"if it is a key, remove it and use a new key at both ends") > 10
    assert (
        b"a key in the clear is in place of a reference"
        in outputs[f"preview {TREE} --base HEAD~1 --format markdown"]
    )


def test_a_service_that_holds_keys_writes_none(folder: Path) -> None:
    """In its log, metrics and history, when no router answers and when a key cannot be had."""
    repository = new_repository(folder / "remote")
    shutil.copytree(folder / TREE, folder / "remote" / TREE)
    repository.git.add("--all")
    repository.git.commit("--message", "tunnels")
    settings = (
        f"repository: {folder}/remote\nbranch: {repository.active_branch.name}\nstate: {folder}/state\n"
    )
    settings += f"secrets: {folder}/secrets\nmetricsFile: {folder}/metrics.prom\nlogFormat: json\n"
    (folder / "reconcile.yaml").write_text(settings)
    service = ["--config", "reconcile.yaml"]
    once = ["reconcile", "--once", "--lab", "no-such-lab", *service]
    said = run(folder, once)
    assert b"no-such-lab" in said or b"no-engine" in said, "the keys were had, and no router"
    for content in (f"{PLANTED}\n{PLANTED}", f"ghp_{PLANTED.encode().hex()}", "\n"):
        (folder / "secrets" / "psk" / KEYS[0]).write_text(content)
        said += run(folder, once)
    said += run(folder, ["history", *service]) + run(folder, ["history", "--json", *service])
    for number in range(1, 5):
        said += run(folder, ["show", str(number), *service])
        said += run(folder, ["show", str(number), "--json", *service])
    assert b"more than one line" in said
    assert leaks(folder, said) == []


BROKEN = """
from reconciler.operations import diagnose, observed_plan, verify
def broken(*given, **_):
    desired = next(item for item in given if isinstance(item, dict))
    ends = [item for config in desired.values() for item in config.connections.values()]
    held = [item.secret.secret.reveal() for item in ends]
    raise ValueError(f"{held} {held[0].hex()}", *[key.decode() for key in held])
observed_plan.observed = verify.observed = diagnose.examine = broken
"""


@pytest.mark.parametrize("command", ["plan", "diagnose", "verify", "status", "apply"])
def test_an_unforeseen_error_quotes_no_key(folder: Path, command: str) -> None:
    """Its traceback is written, so that the error can be corrected."""
    said = run(folder, COMMANDS[command], BROKEN, foreseen=False)
    assert b"ValueError" in said
    assert b"(redacted)" in said
    assert leaks(folder, said) == []


def test_the_search_finds_a_key_where_one_is_written(folder: Path) -> None:
    """`--with-key` is the one way to have it written; so the search does see what it looks for."""
    said = run(folder, [*COMMANDS["peer-sheet"], "--with-key", "--format", "swanctl"])
    assert leaks(folder, said) == ["output"]
