"""Commands on unreviewed commits: what looks like a repository runs nothing and is reported."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import git
import pytest

from reconciler.model.errors import ExitCode
from tests.program import program
from tests.repositories import new_repository
from tests.slow_remote import SlowRemote

ROOT = Path(__file__).parents[3]
CONFIG = """\
[core]
\trepositoryformatversion = 1
\tbare = true
[extensions]
\tpartialClone = origin
[remote "origin"]
\turl = .
\tpromisor = true
\tuploadpack = "sh -c 'id > {}; false' #"
"""


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[git.Repo]:
    """The project's own desired state."""
    found = new_repository(tmp_path / "checkout")
    shutil.copytree(ROOT / "desired_state", tmp_path / "checkout" / "desired_state")
    found.git.add("--all")
    found.git.commit("--message", "base")
    yield found
    found.close()


def make_bare(folder: Path, marker: Path) -> None:
    """Four ordinary files that make a folder look like a bare repository."""
    for name in ("objects/pack/.keep", "refs/heads/.keep"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "config").write_text(CONFIG.format(marker))


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"GITHUB_TOKEN": "PLANTED", "TUNNELWRIGHT_LAB_STATE": str(folder / "lab")}
    done = program(words, cwd=folder, env=environment)
    return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())


COMMANDS = {
    "preview": ("preview", "{tree}", "--base", "{base}", "--head", "{head}"),
    "preview-default-base": ("preview", "{tree}", "--head", "{head}"),
    "preview-json": ("preview", "{tree}", "--base", "{base}", "--head", "{head}", "--format", "json"),
    "plan-rev": ("plan", "{tree}", "--rev", "HEAD"),
    "plan-rev-id": ("plan", "{tree}", "--rev", "{head}"),
    "apply-rev": ("apply", "{tree}", "--rev", "{head}", "--auto-approve"),
    "validate": ("validate", "{tree}"),
    "validate-rev": ("validate", "{tree}", "--rev", "{head}"),
    "lab-up-rev": ("lab", "up", "{tree}", "--rev", "{head}"),
    "graph-rev": ("graph", "{tree}", "--rev", "{head}"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_no_command_runs_what_a_pull_request_brings(
    tmp_path: Path, repository: git.Repo, words: tuple[str, ...]
) -> None:
    marker, checkout = tmp_path / "marker", tmp_path / "checkout"
    base = str(repository.head.commit.hexsha)
    make_bare(checkout / "desired_state", marker)
    repository.git.add("--all", "--force")
    repository.git.commit("--message", "four ordinary files")
    head = str(repository.git.rev_parse("HEAD"))
    done = run(checkout, *(word.format(tree="desired_state", base=base, head=head) for word in words))
    assert not marker.exists()
    assert done.returncode == ExitCode.INVALID, done.stderr
    assert "desired_state/HEAD" in done.stdout + done.stderr
    assert "has HEAD, objects and refs" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("place", [".", "network", "network/desired_state/site"])
def test_it_may_look_like_one_at_any_level(tmp_path: Path, repository: git.Repo, place: str) -> None:
    marker, checkout = tmp_path / "marker", tmp_path / "checkout"
    base = str(repository.head.commit.hexsha)
    (checkout / "network").mkdir()
    repository.git.mv("desired_state", "network/desired_state")
    (checkout / place).mkdir(exist_ok=True)
    make_bare(checkout / place, marker)
    repository.git.add("--all", "--force")
    repository.git.commit("--message", "moved")
    tree = "network/desired_state"
    for words in (("validate", tree), ("preview", tree, "--base", base, "--head", "HEAD")):
        done = run(checkout, *words)
        inside = place.startswith(tree)
        assert done.returncode == (ExitCode.INVALID if inside else ExitCode.OK), done.stderr
        assert ("has HEAD, objects and refs" in done.stdout + done.stderr) == inside
    assert not marker.exists()


def test_names_that_are_not_utf8_are_findings_in_every_format(tmp_path: Path, repository: git.Repo) -> None:
    checkout = tmp_path / "checkout"
    path = bytes(checkout / "desired_state") + b"/n\xf6te.yaml"
    with open(path, "wb") as file:  # noqa: PTH123 - of bytes
        file.write(b"apiVersion: tunnelwright/v1\nkind: Nothing\n")
    repository.git.add("--all")
    repository.git.commit("--message", "a name in Latin-1")
    for words in (["validate", "--json"], ["validate", "--rev", "HEAD", "--json"]):
        done = run(checkout, *words)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == ExitCode.INVALID
        assert any(
            item.get("code") == "file-name" and item.get("file") == r"desired_state/n\xf6te.yaml"
            for item in found
        ), found
    for form in ("text", "json", "markdown", "sarif", "junit"):
        done = run(checkout, "preview", "--base", "HEAD~1", "--head", "HEAD", "--format", form)
        assert done.returncode == ExitCode.INVALID, done.stderr
        assert "xf6te.yaml" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_a_service_that_fetches_ends_at_a_signal(tmp_path: Path, repository: git.Repo) -> None:
    remote = SlowRemote(tmp_path, Path(repository.working_dir))
    remote.pause(0, stops_after=1000)
    config = tmp_path / "reconcile.yaml"
    config.write_text(f"repository: {remote.url}\nstate: {tmp_path}/state\n")
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler", "reconcile", "--config", str(config)],
        env=os.environ | {"GIT_SSH_COMMAND": remote.command}, stdout=subprocess.PIPE, text=True,
    ) as service:  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while not remote.alive():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            service.send_signal(signal.SIGTERM)
            said, _ = service.communicate(timeout=30)
        finally:
            service.kill()
    assert service.returncode == ExitCode.OK
    assert "stopped: fetch of" in said
    while remote.alive():
        assert time.monotonic() < deadline + 60
        time.sleep(0.05)
