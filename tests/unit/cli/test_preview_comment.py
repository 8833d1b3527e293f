"""`preview --comment`: the one comment on a pull request, by arguments or by what a CI job knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.forges.forge import Kind
from reconciler.model.errors import ExitCode
from reconciler.report.markdown import MARK
from tests.forges import ME, NUMBER, PROJECT, TOKEN, ForgeServer, forge_server
from tests.unit.cli.branch import Branch

SET_BY_JOBS = ("GITHUB_", "GITLAB_", "GITEA_", "FORGEJO_", "CI_")


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Branch:
    for name in os.environ:
        if name.startswith(SET_BY_JOBS):
            monkeypatch.delenv(name)
    return Branch(tmp_path / "repository")


@pytest.fixture
def token(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(f"{TOKEN}\n")
    return str(path)


def job(server: ForgeServer) -> dict[str, str]:
    """What the jobs of each forge have in their environment."""
    if server.kind is Kind.GITLAB:
        # A project is known by its number, and by its path.
        names = {"CI_API_V4_URL": server.url, "CI_PROJECT_ID": PROJECT, "GITLAB_TOKEN": TOKEN}
        return {"GITLAB_CI": "true", **names}
    names = {"GITHUB_API_URL": server.url, "GITHUB_REPOSITORY": PROJECT, "GITHUB_TOKEN": TOKEN}
    marker = {"GITEA_ACTIONS": "true"} if server.kind is Kind.GITEA else {}
    return {"GITHUB_ACTIONS": "true", **marker, **names}


@pytest.mark.parametrize("kind", list(Kind))
def test_a_job_needs_the_number_alone(
    kind: Kind, branch: Branch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with forge_server(kind) as server:
        for name, value in job(server).items():
            monkeypatch.setenv(name, value)
        assert branch.preview("--comment", str(NUMBER)) == ExitCode.OK
        branch.edit("site-a/a-to-c.yaml", "pfs: dh-group31", "pfs: dh-group20")
        branch.edit("site-c/c-to-a.yaml", "pfs: dh-group31", "pfs: dh-group20")
        branch.commit()
        assert branch.preview("--comment", str(NUMBER), "--detailed-exitcode") == ExitCode.CHANGES
    [comment] = server.comments
    assert comment["author"] == ME
    assert comment["body"].startswith(f"{MARK}\n")
    assert "0 to add, 2 to change" in comment["body"]
    assert "No changes." in capsys.readouterr().out, "the report is written as without a comment"


def test_arguments_are_enough(branch: Branch, token: str) -> None:
    with forge_server(Kind.GITEA) as server:
        place = ["--forge", "gitea", "--forge-url", server.url, "--project", PROJECT, "--token-file", token]
        branch.edit("site-a/a-to-c.yaml", "10.3.0.0/24", "10.3.0.1/24")
        branch.commit()
        assert branch.preview("--comment", str(NUMBER), *place) == ExitCode.INVALID
    assert "**Not valid**" in server.comments[0]["body"]


def test_the_token_of_one_forge_is_not_sent_to_another(
    branch: Branch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with forge_server(Kind.GITHUB) as github, forge_server(Kind.GITEA) as gitea:
        for name, value in job(github).items():
            monkeypatch.setenv(name, value)
        place = ["--forge", "gitea", "--forge-url", gitea.url, "--project", PROJECT]
        assert branch.preview("--comment", "7", *place) == ExitCode.ERROR
        assert not gitea.requests
    assert "there is no token" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "this is not a known CI job"),
        (["--forge", "github", "--project", PROJECT], "there is no token to comment with"),
        (["--forge", "gitea", "--project", PROJECT, "--token-file", "TOKEN"], "no public Gitea"),
        (["--forge", "github", "--token-file", "TOKEN"], "'' is not the name of a github project"),
        (["--forge", "github", "--project", PROJECT, "--token-file", "/none"], "/none: No such file"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_done(
    branch: Branch, token: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [token if word == "TOKEN" else word for word in words]
    assert branch.preview("--comment", "7", *given) == ExitCode.ERROR
    shown = capsys.readouterr()
    assert said in shown.err
    assert not shown.out


def test_a_refused_comment_fails_after_the_report(
    branch: Branch, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with forge_server(Kind.GITHUB) as server:
        place = ["--forge", "github", "--forge-url", server.url, "--project", PROJECT, "--token-file", token]
        assert branch.preview("--comment", "8", *place) == ExitCode.ERROR
    shown = capsys.readouterr()
    assert "No changes." in shown.out
    assert "answered 404 to GET /repos/acme/tunnels/issues/8/comments" in shown.err


def test_a_number_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["preview", "--comment", "seven"])
    assert "--comment" in capsys.readouterr().err
