"""The reconciler's own settings: positions in the file, values from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.forges.forge import Kind
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.errors import ExitCode
from reconciler.service.news import Event
from reconciler.service.settings import read_settings
from schemas.settings import ReconcileSettings


def read(path: Path | None, **environment: str) -> tuple[ReconcileSettings | None, list[str]]:
    found = Diagnostics()
    effective = read_settings(path, environment, found)
    settings = None if effective is None else effective.values
    return settings, [f"{item.location}: {item.message}" for item in found]


def test_a_file_and_what_the_environment_replaces(tmp_path: Path) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text("repository: /srv/tunnels.git\ninterval: 30\nlisten: {port: 9000}\n")
    settings, problems = read(path, TUNNELWRIGHT_INTERVAL="15.5", TUNNELWRIGHT_BRANCH="1.0")
    assert not problems
    assert settings is not None
    assert (settings.interval, settings.branch, settings.folder) == (15.5, "1.0", "desired_state")
    assert settings.listen is not None
    assert settings.listen.port == 9000


def test_who_is_told(tmp_path: Path) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text(
        "repository: /srv/tunnels.git\n"
        "status: {forge: gitlab, project: group/tunnels, tokenFile: /etc/tunnelwright/token}\n"
        "notify:\n- {urlFile: /etc/tunnelwright/chat}\n- {urlFile: ~/pager, on: [down, rolled-back]}\n"
    )
    settings, problems = read(path)
    assert not problems
    assert settings is not None
    assert settings.status is not None
    assert (settings.status.forge, settings.status.context) == (Kind.GITLAB, "tunnelwright")
    assert [len(item.on) for item in settings.notify] == [len(Event) - 1, 2]
    assert Event.CHANGED not in settings.notify[0].on


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("status: {forge: gitea, project: a/b, tokenFile: /t}", ":2:9: a Gitea has no public address"),
        ("status: {forge: github, project: a/b}", ":2:9: the field 'tokenFile' is missing"),
        ("status: {forge: bitbucket, project: a/b, tokenFile: /t}", ":2:17: 'bitbucket' is not allowed here"),
        ("status: {forge: github, project: ../b, tokenFile: /t}", ":2:34: '../b' is not allowed here"),
        ("notify: [{urlFile: /u, on: [up]}]", ":2:29: 'up' is not allowed here"),
        ("notify: [{urlFile: /u, on: []}]", ":2:28: an empty list is out of range"),
        ("notify: {urlFile: /u}", ":2:9: a mapping is not a list"),
    ],
)
def test_what_is_wrong_with_who_is_told(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text(f"repository: /srv/tunnels.git\n{line}\n")
    settings, problems = read(path)
    assert settings is None
    assert len(problems) == 1
    assert problems[0].startswith(f"{path}{problem}")


def test_the_environment_alone_is_enough() -> None:
    settings, problems = read(None, TUNNELWRIGHT_REPOSITORY="git@host:tunnels", TUNNELWRIGHT_ROLLBACK="false")
    assert not problems
    assert settings is not None
    assert settings.rollback is False


def test_every_problem_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text("interval: 0\nbrunch: main\nlisten: {port: 70000}\n")
    settings, problems = read(path, TUNNELWRIGHT_PARALLELISM="many")
    assert settings is None
    assert set(problems) == {
        f"{path}:1:1: the field 'repository' is missing",
        f"{path}:1:11: 0 is out of range",
        f"{path}:2:1: the field 'brunch' is unknown here",
        f"{path}:3:16: 70000 is out of range",
        "environment variable TUNNELWRIGHT_PARALLELISM: 'many' is not a whole number",
    }


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", ""])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text(text)
    settings, problems = read(path)
    assert settings is None
    assert problems


def test_the_command_line_says_what_is_wrong_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text("repository: 1\n")
    assert main(["reconcile", "--once", "--config", str(path)]) == ExitCode.INVALID
    said = capsys.readouterr().err
    assert f"{path}:1:13" in said
    assert "the settings are not valid" in said
    assert main(["history", "--config", str(tmp_path / "none.yaml")]) == ExitCode.ERROR
    assert "cannot read" in capsys.readouterr().err
