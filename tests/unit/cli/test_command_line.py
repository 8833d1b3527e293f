"""The command line without any router: what it says, and what it ends with."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from reconciler.cli.main import build_parser, main
from reconciler.model.errors import ExitCode, RouterUnreachable
from reconciler.routers.docker_router import DockerRouter
from tests.fabrics import two_routers

ROOT = Path(__file__).parents[3]
# Importing these costs more than the whole of `--help` may take.
HEAVY = {"docker", "scapy", "git", "rich", "vici", "jinja2"}


@pytest.mark.parametrize(
    ("words", "light"),
    [(["--help"], HEAVY | {"pydantic", "ruamel", "netaddr"}), (["validate", "desired_state"], HEAVY)],
)
def test_what_is_not_needed_is_not_imported(words: list[str], light: set[str]) -> None:
    script = (
        "import sys\nfrom reconciler.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = set(eval(done.stderr.splitlines()[-1]))  # noqa: S307 - a list that this test printed
    assert "reconciler" in imported
    assert not imported & light


def test_what_validate_writes_needs_no_later_stage() -> None:
    script = (
        "import sys\nfrom reconciler.cli.main import main\nmain(['validate', 'desired_state', '--json'])\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = set(done.stderr.splitlines())
    assert "reconciler.report.json.lines" in imported
    later = ("diff", "plan", "policy", "diagnosis", "apply", "observe", "operations", "history", "service")
    assert not {name for name in imported if name.startswith(tuple(f"reconciler.{room}" for room in later))}


def test_the_projects_own_desired_state_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(ROOT / "desired_state")]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("Valid: 3 routers, 4 tunnel ends")


def test_findings_are_named_as_the_user_would_open_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.yaml").write_text("apiVersion: tunnelwright/v1\nkind: Tunnel\nmetadata: {name: x}\n")
    assert main(["validate", str(tmp_path)]) == ExitCode.INVALID
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"{tmp_path}/broken.yaml:2:7: error:" in shown.err
    assert main(["validate", str(tmp_path), "--json"]) == ExitCode.INVALID
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [item["type"] for item in objects] == ["version", "diagnostic"]
    assert objects[1]["line"] == 2


def test_allocation_is_written_once_and_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = shutil.copytree(ROOT / "desired_state", tmp_path / "tree")
    lock = tree / "vips.lock.yaml"
    committed = lock.read_text()
    lock.unlink()
    assert main(["validate", str(tree)]) == ExitCode.INVALID
    assert "tunnelwright allocate" in capsys.readouterr().err
    assert main(["allocate", str(tree), "--check"]) == ExitCode.CHANGES
    assert not lock.exists()
    assert main(["allocate", str(tree)]) == ExitCode.OK
    assert lock.read_text() == committed
    assert main(["allocate", str(tree), "--check"]) == ExitCode.OK


@pytest.mark.parametrize(
    "words",
    [
        ["validate", "/nowhere/at/all"],
        ["validate", str(ROOT), "--rev", "no-such-revision"],
        ["apply", str(ROOT / "README.md")],
        ["apply", "--plan", "/nowhere/plan.json"],
    ],
)
def test_a_wrong_source_is_a_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == ExitCode.ERROR
    assert capsys.readouterr().err.startswith("error: ")


def test_missing_keys_are_all_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", str(ROOT / "desired_state"), "--secrets", str(tmp_path)]
    assert main(words) == ExitCode.ERROR
    shown = capsys.readouterr().err
    assert "file:site-a--site-b.psk" in shown
    assert "file:site-a--site-c.psk" in shown
    assert "hint: " in shown


def test_no_engine_is_a_router_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(RouterUnreachable, match="no container engine answers"):
        DockerRouter(two_routers().routers["paris"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_no_permission_is_distinguished_from_no_engine() -> None:
    """As another user, before a socket of root's."""
    script = (
        "import os, socket, sys, pathlib\n"
        "from reconciler.routers.docker_router import DockerRouter\n"
        "from tests.fabrics import two_routers\n"
        "import docker.api, docker.transport\n"
        "server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o600)\n"
        "os.environ['DOCKER_HOST'] = 'unix://' + sys.argv[1]\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try:\n    DockerRouter(two_routers().routers['paris'])\n"
        "except Exception as error:\n    print(type(error).__name__, error.message, error.hint, sep=': ')\n"
    )
    path = Path("/tmp") / f"tw-refused-{os.getpid()}.sock"  # noqa: S108 - a folder that others may enter
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
    finally:
        path.unlink(missing_ok=True)
    assert done.stdout.startswith("RouterUnreachable: permission denied on the container engine's socket")
    assert "group" in done.stdout


def test_an_old_python_is_refused_with_a_way_out(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit\nexit 1\n')
    old.chmod(0o755)
    done = subprocess.run(
        ["sh", "scripts/bootstrap.sh", str(old), str(tmp_path / "venv")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Python 3.9.2 is too old; tunnelwright needs Python 3.11 or later" in done.stderr
    assert "hint: " in done.stderr
    assert not (tmp_path / "venv").exists()


def test_colour_and_progress_stay_off_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "validate", "desired_state"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert b"\x1b" not in done.stdout + done.stderr


def commands_of(parser: argparse.ArgumentParser) -> Iterator[tuple[list[str], argparse.ArgumentParser]]:
    """Every command and every action of one, with the words that lead there."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield [name], inner
                yield from (([name, *words], deeper) for words, deeper in commands_of(inner))


def test_the_help_of_each_command_says_what_it_does() -> None:
    found = {" ".join(words): parser for words, parser in commands_of(build_parser())}
    assert {"validate", "secret set", "lab up"} <= set(found)
    for name, parser in found.items():
        described = parser.description or ""
        assert described[:1].isupper(), name
        assert described.endswith("."), name
        for action in parser._actions:
            inner = isinstance(action, argparse._SubParsersAction)
            assert action.help or inner, f"{name} {action.dest}"


def test_the_help_of_each_command_ends_with_examples_that_can_be_typed() -> None:
    parser = build_parser()
    for words, command in commands_of(parser):
        if "run" not in command._defaults:
            continue
        examples = re.findall(
            r"^  tunnelwright (.+)$", command.format_help().partition("\nexample")[2], re.MULTILINE
        )
        assert 1 <= len(examples) <= 2, words
        for example in examples:
            typed = shlex.split(example)
            assert typed[: len(words)] == words
            assert parser.parse_args(typed).run == command._defaults["run"]


@pytest.mark.parametrize(
    "words",
    [
        ["{key}"],
        ["secret", "{key}"],
        ["secret", "set", "keys/a.age", "{key}"],
        ["secret", "set", "keys/a.age", "--{key}"],
        ["secret", "set", "{key}"],
        ["plan", "--parallelism", "{key}"],
        ["plan", "--override", "{key}"],
    ],
)
@pytest.mark.parametrize(
    "key", ["5f4dcc3b5aa765d61d8327deb882cf99", "9vT+uJ5yq0mW/8eXh1fKz3bL7cRkQwYpN2sD4aGiHlE="]
)
def test_a_key_among_the_arguments_is_not_repeated(
    words: list[str], key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(key=key) for word in words]
    tree = ["--tree", str(tmp_path)] if words[:2] == ["secret", "set"] else []
    try:
        code = main([*given, *tree])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == ExitCode.ERROR
    shown = capsys.readouterr()
    assert key not in shown.out + shown.err
    assert "error: " in shown.err


@pytest.mark.parametrize("option", ["--wait", "--lock-timeout"])
@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
def test_a_time_that_never_ends_is_refused(
    option: str, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["apply", f"{option}={seconds}"])
    assert ended.value.code == ExitCode.ERROR
    assert option in capsys.readouterr().err


def test_a_wrong_argument_is_still_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["plan", "--paralellism", "3", "some/tree", "/srv/other-tree"])
    assert "unrecognized arguments: --paralellism some/tree /srv/other-tree" in capsys.readouterr().err


def test_an_extension_that_is_broken_costs_its_own_commands_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: EntryPoint) -> None:
        raise ImportError("it was made for another version")

    monkeypatch.setattr(EntryPoint, "load", broken)
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == ExitCode.OK
    assert "validate" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["lab"])
    assert ended.value.code == ExitCode.ERROR
    assert "invalid choice: 'lab'" in capsys.readouterr().err
