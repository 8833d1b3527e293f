"""One set of nasty texts through every output of every command, read as those read it for whom it is made.

A command that is new gets its line in BROKEN or in ROUTED; a test fails until it has one.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.arguments.preview import FORMATS
from reconciler.cli.main import build_parser
from reconciler.model.errors import ExitCode
from reconciler.service.web import Application
from tests.repositories import new_repository
from tests.unit.outputs import test_hostile_answers
from tests.unit.outputs.commands import Runner
from tests.unit.outputs.nasty import ALL, TEXTS, as_yaml, file_names, write_broken_tree
from tests.unit.outputs.parsing import (
    check_json_lines,
    check_junit,
    check_lines,
    check_markdown,
    check_sarif,
    check_terminal,
)
from tests.unit.service.followed import followed

# Apprise imports a module that Python 3.13 has no more, and knows it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


# Every command that reads documents, before documents that are not valid.
BROKEN: dict[str, list[str]] = {
    "allocate": ["allocate", "tree"],
    "apply": ["apply", "tree"],
    "convert": ["convert", "tree"],
    "diagnose": ["diagnose", "tree"],
    "expand": ["expand", "tree"],
    "explain": ["explain", "x", "tree"],
    "graph": ["graph", "tree"],
    "import": ["import", "tree"],
    "lab up": ["lab", "up", "tree"],
    "lab verify": ["lab", "verify", "tree"],
    "log": ["log", "x", "tree"],
    "peer-sheet": ["peer-sheet", "x", "tree"],
    "plan": ["plan", "tree"],
    "reconnect": ["reconnect", "x", "tree"],
    "status": ["status", "tree"],
    "ui": ["ui", "tree"],
    "validate": ["validate", "tree"],
    "verify": ["verify", "tree"],
    "vip release": ["vip", "release", "203.0.113.10", "tree"],
}
# What is given by hand, or answered by another program.
ROUTED = {
    "history": "test_a_run_and_all_that_is_sent_of_it",
    "preview": "test_a_preview_in_every_format",
    "reconcile": "test_a_run_and_all_that_is_sent_of_it",
    "rollback": "test_a_rollback_of_a_commit_with_any_subject",
    "schema": "test_what_is_given_by_hand",
    "show": "test_a_run_and_all_that_is_sent_of_it",
    "secret init": "test_what_is_given_by_hand",
    "secret set": "test_what_is_given_by_hand",
    "secret rotate": "test_what_is_given_by_hand",
    "secret rekey": "test_what_is_given_by_hand",
    "init": "test_what_is_given_by_hand",
    "lab down": "test_what_is_given_by_hand",
    "lab power-loss": "test_what_is_given_by_hand",
    "lab shell": "test_what_is_given_by_hand",
}


def commands(parser: argparse.ArgumentParser, above: str = "") -> Iterator[str]:
    below = [item for item in parser._actions if isinstance(item, argparse._SubParsersAction)]
    if not below:
        yield above
    for action in below:
        for name, inner in action.choices.items():
            yield from commands(inner, f"{above} {name}".strip())


def test_every_command_is_among_them() -> None:
    assert {*BROKEN, *ROUTED} == set(commands(build_parser()))
    assert set(ROUTED.values()) <= {*globals(), *vars(test_hostile_answers)}


@pytest.mark.parametrize("command", BROKEN)
def test_documents_that_are_not_valid(command: str, runner: Runner) -> None:
    write_broken_tree(Path("tree"))
    runner.check(*BROKEN[command])


@pytest.mark.parametrize("tree", ["", "desired_state"])
def test_a_preview_in_every_format(tree: str, runner: Runner, tmp_path: Path) -> None:
    """The tree may be the whole repository: then a file's name begins the line."""
    repository = new_repository(tmp_path / "repository")
    repository.git.commit(
        "--allow-empty", "--message", ALL.replace("\0", "").encode(errors="replace").decode()
    )
    folder = tmp_path / "repository" / tree
    write_broken_tree(tmp_path / "made")
    folder.mkdir(exist_ok=True)
    for path in (tmp_path / "made").iterdir():
        path.rename(folder / path.name)
    repository.git.add("--all")
    repository.git.commit("--message", "x")
    words = ["preview", str(folder), "--base", "HEAD~1"]
    checks: dict[str, Callable[[str], object]] = {
        "text": check_lines,
        "markdown": check_markdown,
        "json": check_json_lines,
        "sarif": check_sarif,
        "junit": lambda text: check_junit(text, len(file_names()) + 1),
    }
    assert set(checks) == set(FORMATS)
    for form, check in checks.items():
        said = runner.run(*words, "--format", form)
        assert (said.code, said.err) == (ExitCode.INVALID, "")
        check(said.out)
        assert runner.run(*words, "--format", form, "--out", "found").code == ExitCode.INVALID
        assert Path("found").read_bytes() == said.out.encode()


@pytest.mark.parametrize("broken", [True, False])
def test_a_rollback_of_a_commit_with_any_subject(runner: Runner, tmp_path: Path, *, broken: bool) -> None:
    """With documents before it that are not valid, and without documents."""
    repository = new_repository(tmp_path / "repository")
    tree = tmp_path / "repository" / "desired_state"
    if broken:
        write_broken_tree(tree)
    tree.mkdir(exist_ok=True)
    (tree / "README").touch()
    repository.git.add("--all")
    repository.git.commit("--message", "x")
    (tree / "README").write_text("other content")
    message = ALL.replace("\0", "").encode(errors="replace").decode()
    repository.git.commit("--all", "--message", message)
    code = ExitCode.INVALID if broken else ExitCode.OK
    said = runner.run("rollback", "HEAD", str(tree))
    assert (said.code, said.err) == (code, "")
    check_lines(said.out)
    said = runner.run("rollback", "HEAD", str(tree), "--branch", "b", "--json")
    assert (said.code, said.err) == (code, "")
    check_json_lines(said.out)


@pytest.mark.parametrize("text", [*TEXTS[:2], TEXTS[3], ALL])
def test_what_is_given_by_hand(text: str, runner: Runner, tmp_path: Path) -> None:
    site = followed(tmp_path)
    tree = str(site.tree)
    # As the system gives it: bytes, one of them not UTF-8.
    given = os.fsdecode(text.encode(errors="replace").replace(b"\0", b"") + b"\xff")
    for words in (
        ["validate", given],
        ["validate", tree, "--rev", given],
        ["validate", f"--{given}"],
        ["validate", tree, given],
        ["init", f"{tree}/paris.yaml/{given}"],
        ["schema", f"{tree}/paris.yaml/{given}"],
        ["plan", tree, "-l", given],
        [given],
        ["preview", tree, "--format", given],
        ["preview", tree, "--base", given],
        ["preview", tree, "--base", "HEAD", "--out", f"{given}/x/y"],
        ["plan", tree, "--target", given, "--secrets", given],
        ["peer-sheet", given, tree],
        ["peer-sheet", "paris-tokyo", tree, "--out", f"{given}/x/y"],
        ["import", tree, "--router", given],
        ["import", tree, "--router", "paris", "--files", given],
        ["show", given],
        ["history", "--config", given],
        ["history", "--forgive", given, "--config", "none.yaml"],
        ["secret", "init", "--tree", given],
        ["secret", "set", given, "--random", "--tree", tree, "--secrets", given],
        ["secret", "rotate", given, "--tree", tree, "--secrets", given],
        ["secret", "rekey", "--tree", given],
        ["lab", "down", "--name", given],
        ["lab", "power-loss", given, tree, "--name", given],
        ["lab", "shell", given, "--name", given],
        ["lab", "up", tree, "--release", given, "--name", given],
        ["apply", "--plan", given],
        ["reconcile", "--config", given],
    ):
        for terminal in (False, True):
            said = runner.run(*words, terminal=terminal)
            assert said.code not in {ExitCode.OK}, words
            assert "unforeseen" not in said.err, (words, said.err)
            (check_terminal if terminal else check_lines)(said.err)
            (check_terminal if terminal else check_lines)(said.out)


def test_settings_that_are_not_valid(runner: Runner) -> None:
    for number, text in enumerate(TEXTS):
        wrong = {"repository": text, "state": text, text or "x": text, "notify": [{"on": [text]}]}
        Path(f"{number}.yaml").write_text(as_yaml(wrong))
        for words in (["reconcile", "--check"], ["history"], ["show", "1"]):
            runner.check(*words, "--config", f"{number}.yaml", seen=False)


def test_a_web_server_repeats_nothing() -> None:
    said: list[Any] = []
    environ: dict[str, Any] = {"REQUEST_METHOD": ALL, "PATH_INFO": f"/{ALL}", "HTTP_ACCEPT": ALL}
    body = Application(lambda: None, None)(environ, lambda *head: said.append(head))  # type: ignore[arg-type]
    assert (said[0][0], list(body)) == ("404 Not Found", [b"not found\n"])
    assert os.linesep not in str(said[0][1])
