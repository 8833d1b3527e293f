"""The reconciler's own settings: positions in the file, values from the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from reconciler.cli.main import main
from reconciler.forges.forge import Kind
from reconciler.model.bounds import SETTINGS_BYTES
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.errors import ExitCode, SourceUnavailable
from reconciler.model.notification import Topic
from reconciler.service.settings import read_settings
from schemas.generate import ROOT, SETTINGS_EXAMPLE
from schemas.settings import ReconcileSettings, StatusSettings, TopicName
from schemas.variables import OTHER_VARIABLES, settings


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


def test_who_is_reported(tmp_path: Path) -> None:
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
    assert [len(item.on) for item in settings.notify] == [len(Topic) - 1, 2]
    assert Topic.CHANGED not in settings.notify[0].on


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "status: {forge: gitea, project: a/b, tokenFile: /t}",
            ":2:9: Gitea has no public server: `url` is missing",
        ),
        ("status: {forge: github, project: a/b}", ":2:9: the field 'tokenFile' is missing"),
        ("status: {forge: bitbucket, project: a/b, tokenFile: /t}", ":2:17: 'bitbucket' is not allowed here"),
        ("status: {forge: github, project: ../b, tokenFile: /t}", ":2:34: '../b' is not allowed here"),
        (
            "status: {forge: github, url: 'https://me:hunter2@host', project: a/b, tokenFile: /t}",
            ":2:30: this is not an address; it is not shown, because it may be a secret",
        ),
        (
            "listen: {webhookSecretFile: hunter2}",
            ":2:29: this is not a path; it is not shown, because it may be a secret",
        ),
        ("notify: [{urlFile: /u, on: [up]}]", ":2:29: 'up' is not allowed here"),
        ("notify: [{urlFile: /u, on: []}]", ":2:28: an empty list is out of range"),
        ("notify: {urlFile: /u}", ":2:9: a mapping is not a list"),
    ],
)
def test_what_is_wrong_with_receivers(tmp_path: Path, line: str, problem: str) -> None:
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
    assert "the settings are invalid" in said
    assert main(["history", "--config", str(tmp_path / "none.yaml")]) == ExitCode.ERROR
    assert "cannot read" in capsys.readouterr().err


def test_variables_reach_into_sections(tmp_path: Path) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text("repository: /srv/tunnels.git\nlisten: {address: 0.0.0.0}\nsignatures:\n")
    read_settings = {
        "TUNNELWRIGHT_LISTEN__PORT": "8081",
        "TUNNELWRIGHT_SIGNATURES__ALLOWED_SIGNERS": "/x",
        "TUNNELWRIGHT_STATUS__FORGE": "gitlab",
        "TUNNELWRIGHT_STATUS__PROJECT": "42",
        "TUNNELWRIGHT_STATUS__TOKEN_FILE": "~/token",
    }
    found, problems = read(path, **read_settings)
    assert not problems
    assert found is not None
    assert found.listen is not None
    assert (found.listen.address, found.listen.port) == ("0.0.0.0", 8081)  # noqa: S104
    assert found.signatures.allowed_signers == "/x"
    assert found.status == StatusSettings(forge="gitlab", project="42", tokenFile="~/token")


def test_every_setting_but_the_lists_has_a_variable_that_reaches_it() -> None:
    """Each is given another value than the example's, and is what has changed."""
    example = Diagnostics()
    before = read_settings(ROOT / SETTINGS_EXAMPLE, {}, example)
    assert before is not None
    said = {path: value for path, value, _ in before.said()}
    assert said.keys() - {".".join(setting.path) for setting in settings()} == {
        f"notify[{number}].{name}" for number in (0, 1) for name in ("urlFile", "on")
    }
    for setting in settings():
        path = ".".join(setting.path)
        after = read_settings(ROOT / SETTINGS_EXAMPLE, {setting.variable: another(said[path])}, example)
        assert not example.errors
        assert after is not None
        changed = {name: where for name, value, where in after.said() if value != said[name]}
        assert {name: str(where) for name, where in changed.items()} == {
            path: f"environment variable {setting.variable}"
        }


def another(value: object) -> str:
    """What a variable could say in place of a value."""
    match value:
        case bool():
            return str(not value).lower()
        case int() | float():
            return str(value / 2 if value < 1 else int(value) + 1)
        case _:
            words = {"github": "gitlab", "json": "text", "": "https://git.example.net"}
            return words.get(str(value), f"{value}9")


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("LISTEN__PORT", "many", "'many' is not a whole number"),
        ("LISTEN__PORT", "70000", "70000 is out of range"),
        ("LISTEN__PRT", "1", "this variable is not a setting [did you mean 'TUNNELWRIGHT_LISTEN__PORT'?]"),
        ("LISTEN_PORT", "1", "this variable is not a setting [did you mean 'TUNNELWRIGHT_LISTEN__PORT'?]"),
        ("INTERVALL", "1", "this variable is not a setting [did you mean 'TUNNELWRIGHT_INTERVAL'?]"),
        ("LISTEN", "1", "this variable is not a setting [did you mean 'TUNNELWRIGHT_LISTEN__PORT'?]"),
        ("XYZ__QQQ", "1", "this variable is not a setting"),
        ("NOTIFY", "1", "'notify' is a list, and lists have no variable [set it in the file]"),
        ("NOTIFY__0__ON", "1", "'notify' is a list, and lists have no variable [set it in the file]"),
    ],
)
def test_a_variable_that_is_wrong_is_named(variable: str, value: str, problem: str) -> None:
    found = Diagnostics()
    environment = {"TUNNELWRIGHT_REPOSITORY": "/r", f"TUNNELWRIGHT_{variable}": value}
    assert read_settings(None, environment, found) is None
    [item] = found
    hint = f" [{item.hint}]" if item.hint else ""
    assert f"{item.location}: {item.message}{hint}" == (
        f"environment variable TUNNELWRIGHT_{variable}: {problem}"
    )
    assert item.allowed or variable.startswith("NOTIFY")


def test_what_a_section_lacks_names_its_variable() -> None:
    found = Diagnostics()
    environment = {"TUNNELWRIGHT_REPOSITORY": "/r", "TUNNELWRIGHT_STATUS__FORGE": "github"}
    assert read_settings(None, environment, found) is None
    assert [(item.path, item.hint) for item in found] == [
        ("status.project", "set it in the file, or with the variable TUNNELWRIGHT_STATUS__PROJECT"),
        ("status.tokenFile", "set it in the file, or with the variable TUNNELWRIGHT_STATUS__TOKEN_FILE"),
    ]


def test_a_section_that_is_none_is_left_to_be_refused(tmp_path: Path) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text("repository: /r\nlisten: 8080\n")
    _, problems = read(path, TUNNELWRIGHT_LISTEN__PORT="1")
    assert problems == [f"{path}:2:9: 8080 is not a mapping"]


def test_other_variables_of_this_tool_and_of_others_stay() -> None:
    """A Kubernetes Service called tunnelwright gives each pod variables with our prefix; keys may have
    it."""
    names = {"TUNNELWRIGHT_PORT", "TUNNELWRIGHT_SERVICE_HOST", "TUNNELWRIGHT_PORT_8080_TCP_ADDR"}
    names |= {"TUNNELWRIGHT_KEY_PARIS", *OTHER_VARIABLES}
    found, problems = read(None, TUNNELWRIGHT_REPOSITORY="/r", **dict.fromkeys(names, "tcp://x"))
    assert not problems
    assert found is not None


def test_the_variables_that_the_sources_use_are_settings_or_listed() -> None:
    named = {
        word
        for package in ("reconciler", "lab")
        for path in (ROOT / package).rglob("*.py")
        for word in re.findall(r"\bTUNNELWRIGHT_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert named >= OTHER_VARIABLES
    assert named <= OTHER_VARIABLES | {setting.variable for setting in settings()}


def test_names_in_the_schema_are_those_of_the_service() -> None:
    assert [*get_args(TopicName)] == [*Topic]
    assert [*get_args(StatusSettings.model_fields["forge"].annotation)] == [*Kind]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"repository: x\ninterval: 0x" + b"f" * 4_000, "is not a number"),
        (b"repository: x\nparallelism: " + b"9" * 4_000, "is not a whole number"),
        (b"repository: x\nwait: 1e999999999", "inf is out of range"),
        (b"repository: x\njitter: .nan", "nan is out of range"),
        (b"repository: " + b"[" * 500_000, "nested more than 32 levels deep"),
        (b"x: [" + b"1," * 30_000 + b"]", "at most 20,000 are read"),
        (b"<<<<<<< HEAD\nrepository: x\n=======\nrepository: y\n>>>>>>> other\n", "conflict markers"),
    ],
    ids=["hexadecimal", "decimal", "infinite", "nan", "deep", "values", "markers"],
)
def test_whatever_a_file_holds_it_is_a_finding(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_bytes(content)
    settings, problems = read(path)
    assert settings is None
    assert said in "\n".join(problems)
    assert sum(map(len, problems)) < 10_000


def test_a_variable_has_the_same_bounds(tmp_path: Path) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text("repository: x\n")
    for value in ("0x" + "f" * 4_000, "9" * 5_000):
        _, [problem] = read(path, TUNNELWRIGHT_PARALLELISM=value)
        assert "TUNNELWRIGHT_PARALLELISM" in problem
        assert "is not a whole number" in problem


@pytest.mark.parametrize("size", [SETTINGS_BYTES + 1, None], ids=["large", "endless"])
def test_more_than_the_bound_is_not_read(size: int | None, tmp_path: Path) -> None:
    path = tmp_path / "reconcile.yaml"
    if size is None:
        path = Path("/dev/zero")
    else:
        path.write_bytes(b"#" * size)
    with pytest.raises(SourceUnavailable, match="has more than 1,048,576 bytes"):
        read(path)


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("{}", ""),
        ("{address: '::1'}", ""),
        ("{address: 127.0.0.2, url: 'https://tunnels.example.net'}", ""),
        ("{address: 0.0.0.0, tokenFile: /t}", ""),
        ("{address: 0.0.0.0, identityHeader: X-User, proxy: 192.0.2.1}", ""),
        ("{address: 0.0.0.0}", "0.0.0.0 is not a loopback address: `tokenFile`, or"),
        ("{address: '::'}", ":: is not a loopback address"),
        ("{identityHeader: X-User}", "`identityHeader` and `proxy` belong together"),
        ("{proxy: 192.0.2.1}", "`identityHeader` and `proxy` belong together"),
        ("{address: 0.0.0.0, tokenFile: hunter2}", "this is not a path; it is not shown"),
        ("{address: localhost}", "'localhost' is not allowed here"),
        ("{identityHeader: 'X User', proxy: 192.0.2.1}", "'X User' is not allowed here"),
    ],
)
def test_a_page_for_others_needs_a_guard(tmp_path: Path, page: str, problem: str) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text(f"repository: /srv/tunnels.git\npage: {page}\n")
    settings, problems = read(path)
    assert (settings is None) is bool(problem)
    assert len(problems) == bool(problem)
    assert all(problem in found for found in problems), problems
    assert "hunter2" not in "".join(problems)
