"""What the three forges are sent, and how their answers are taken, over real HTTP."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.forges.choose import forge, surroundings
from reconciler.forges.forge import CommitStatus, Forge, ForgeError, Kind, State, shortened
from reconciler.forges.gitlab import GitLab
from reconciler.model import bounds
from reconciler.model.errors import SecretUnavailable, TunnelwrightError
from reconciler.model.secret import Secret
from tests.forges import ME, NUMBER, PROJECT, SHA, TOKEN, Answer, ForgeServer, forge_server

MARK = "<!-- tunnelwright:preview -->"
FAILED = {Kind.GITHUB: "failure", Kind.GITLAB: "failed", Kind.GITEA: "failure"}
LIMIT = {Kind.GITHUB: 140, Kind.GITLAB: 255, Kind.GITEA: 255}


@pytest.fixture(params=list(Kind))
def server(request: pytest.FixtureRequest) -> Iterator[ForgeServer]:
    with forge_server(request.param) as found:
        yield found


@pytest.fixture
def github() -> Iterator[ForgeServer]:
    with forge_server(Kind.GITHUB) as found:
        yield found


def opened(server: ForgeServer, token: str = TOKEN, project: str = PROJECT) -> Forge:
    return forge(server.kind, server.url, project, Secret(token.encode()))


def status(state: State = State.SUCCESS, description: str = "changed") -> CommitStatus:
    return CommitStatus(SHA, "main", state, "tunnelwright", description)


def test_a_status_has_the_fields_of_the_forge(server: ForgeServer) -> None:
    opened(server).set_status(status(State.FAILURE, "refused:\n  a line"))
    [sent] = server.statuses
    assert (sent["state"], sent["description"]) == (FAILED[server.kind], "refused: a line")
    assert sent["name" if server.kind is Kind.GITLAB else "context"] == "tunnelwright"
    assert sent.get("ref") == ("main" if server.kind is Kind.GITLAB else None)


def test_a_status_leads_to_where_more_is_said(server: ForgeServer) -> None:
    opened(server).set_status(replace(status(), url="https://tunnels.example.net/commits/1"))
    opened(server).set_status(status())
    assert server.statuses[0]["target_url"] == "https://tunnels.example.net/commits/1"
    assert "target_url" not in server.statuses[1]


def test_a_description_is_cut_to_what_the_forge_takes(server: ForgeServer) -> None:
    opened(server).set_status(status(description="word " * 200))
    said = server.statuses[0]["description"]
    assert (len(said), said[-1]) == (LIMIT[server.kind], "…")
    assert shortened("x" * 140, 140) == "x" * 140


def test_pending_after_pending_is_no_failure(server: ForgeServer) -> None:
    for _ in range(2):
        opened(server).set_status(status(State.PENDING, "held"))
    assert {sent["state"] for sent in server.statuses} == {"pending"}


def test_a_comment_is_made_once_and_then_updated(server: ForgeServer) -> None:
    for text in ("first", "second"):
        opened(server).put_comment(NUMBER, MARK, f"{MARK}\n{text}")
    assert [item["body"] for item in server.comments] == [f"{MARK}\nsecond"]


def test_only_an_own_comment_is_updated(server: ForgeServer) -> None:
    """Others may write the mark, a user may be gone, and the own one may stand on the third page."""
    server.comment("mallory", f"{MARK}\nforged")
    server.comment("", "the author of this is gone")
    server.comment(ME, f"an own one that quotes {MARK}")
    for number in range(250):
        server.comment("alice", f"remark {number}")
    own = server.comment(ME, f"{MARK}\nold")
    opened(server).put_comment(NUMBER, MARK, f"{MARK}\nnew")
    assert [item["id"] for item in server.comments if item["body"] == f"{MARK}\nnew"] == [own]
    assert len(server.comments) == 254
    assert server.comments[0]["body"] == f"{MARK}\nforged"


@pytest.mark.parametrize(
    ("token", "project", "code", "said"),
    [("wrong", PROJECT, 401, "expired"), (TOKEN, "acme/other", 404, "may not read it")],
)
def test_a_refusal_is_reported_with_what_may_be_wrong(
    server: ForgeServer, token: str, project: str, code: int, said: str
) -> None:
    with pytest.raises(ForgeError) as raised:
        opened(server, token, project).set_status(status())
    assert raised.value.status == code
    assert f"answered {code} to POST /" in raised.value.message
    assert said in raised.value.hint
    assert len(server.requests) == 1, "what is refused is not asked again"
    assert not raised.value.retryable


@pytest.mark.parametrize("code", [429, 500, 502])
def test_what_passes_is_tried_again(server: ForgeServer, code: int) -> None:
    server.faults = [Answer(code, "<html>", {"Retry-After": "0"}), Answer(code, {}, {"Retry-After": "0"})]
    opened(server).set_status(status())
    assert len(server.requests) == 3
    assert len(server.statuses) == 1


def test_without_a_time_the_pause_grows(github: ForgeServer) -> None:
    github.faults = [Answer(503, "<html>"), Answer(429, {"message": "busy"})]
    before = time.monotonic()
    opened(github).set_status(status())
    assert time.monotonic() - before >= 1.5
    assert len(github.statuses) == 1


def test_retry_after_is_waited_for(github: ForgeServer) -> None:
    github.faults = [Answer(429, {"message": "slow down"}, {"Retry-After": "1"})]
    before = time.monotonic()
    opened(github).set_status(status())
    assert time.monotonic() - before >= 1
    assert len(github.statuses) == 1


def test_a_secondary_rate_limit_of_github_is_one_too(github: ForgeServer) -> None:
    github.faults = [
        Answer(403, {"message": "You have exceeded a secondary rate limit"}, {"Retry-After": "0"})
    ]
    opened(github).set_status(status())
    assert len(github.statuses) == 1


@pytest.mark.parametrize(
    ("fault", "asked"),
    [(Answer(429, {}, {"Retry-After": "3600"}), 1), (Answer(500, {}, {"Retry-After": "0"}), 3)],
)
def test_trying_again_has_an_end(github: ForgeServer, fault: Answer, asked: int) -> None:
    github.faults = [fault] * 10
    before = time.monotonic()
    with pytest.raises(ForgeError, match=f"answered {fault.status}") as raised:
        opened(github).set_status(status())
    assert (raised.value.retryable, raised.value.retry_after) == (True, float(fault.headers["Retry-After"]))
    assert len(github.requests) == asked
    assert time.monotonic() - before < 5


def test_a_comment_that_may_have_been_made_is_not_made_again(server: ForgeServer) -> None:
    server.fault_of_writes = Answer(502, "<html>bad gateway</html>")
    with pytest.raises(ForgeError, match="answered 502") as raised:
        opened(server).put_comment(NUMBER, MARK, MARK)
    assert not raised.value.retryable
    assert len(server.comments) == 1


def test_a_redirect_is_not_followed(server: ForgeServer) -> None:
    with forge_server(server.kind) as other:
        server.faults = [Answer(307, {}, {"Location": f"{other.url}/taken"})]
        with pytest.raises(ForgeError, match=r"redirects to 127\.0\.0\.1:"):
            opened(server).set_status(status())
        assert not other.requests


def test_what_a_refusal_says_is_visible(server: ForgeServer) -> None:
    server.faults = [Answer(400, {"message": "right \u202e to left, \u3164 and nothing\r\n::error::"})]
    with pytest.raises(ForgeError, match=r"right \\u202e to left, \\u3164 and nothing ::error::"):
        opened(server).set_status(status())


def test_a_netrc_does_not_replace_the_token(
    github: ForgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    opened(github).set_status(status())
    assert len(github.statuses) == 1


def test_a_slow_answer_is_given_up(github: ForgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FORGE_SILENCE_SECONDS", 0.2)
    github.faults = [Answer(201, {}, after=30)]
    with pytest.raises(ForgeError, match="did not answer in time"):
        opened(github).set_status(status())


def test_no_server_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ForgeError, match=f"127.0.0.1:{port} cannot be reached"):
        forge(Kind.GITHUB, f"http://127.0.0.1:{port}", PROJECT, Secret(TOKEN.encode())).set_status(status())


@pytest.mark.parametrize("body", ["<html>sign in</html>", {"data": None}, [1], '{"data": '])
def test_an_answer_that_is_none_of_the_api(server: ForgeServer, body: object) -> None:
    server.faults = [Answer(200, body)]
    with pytest.raises(ForgeError, match="not from its API"):
        opened(server).put_comment(NUMBER, MARK, MARK)


def test_the_token_is_in_no_exception(server: ForgeServer) -> None:
    faults = [
        Answer(400, {"message": f"what is {TOKEN}?"}),
        Answer(307, {}, {"Location": "http://elsewhere.invalid/"}),
        Answer(200, "<html>"),
    ]
    for fault in faults:
        server.faults = [fault]
        with pytest.raises(ForgeError) as raised:
            opened(server).put_comment(NUMBER, MARK, MARK)
        said = "".join(traceback.format_exception(raised.value)) + repr(vars(raised.value))
        assert TOKEN not in said
    assert server.requests, "it was sent, and only there"


@pytest.mark.parametrize("token", ["", "two\nlines", f"{TOKEN} ", "clé"])
def test_a_token_that_no_header_carries_is_refused_before_it_is_sent(token: str) -> None:
    with pytest.raises(SecretUnavailable) as raised:
        forge(Kind.GITHUB, "", PROJECT, Secret(token.encode()))
    assert not token or token not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("kind", "url", "project"),
    [
        (Kind.GITEA, "", PROJECT),
        (Kind.GITHUB, "ftp://host", PROJECT),
        (Kind.GITHUB, "https://me:pw@host", PROJECT),
        (Kind.GITHUB, "", "tunnels"),
        (Kind.GITHUB, "", "../../user"),
        (Kind.GITEA, "https://host/api/v1", "a/b/c"),
        (Kind.GITLAB, "", ""),
    ],
)
def test_addresses_and_projects_that_are_none(kind: Kind, url: str, project: str) -> None:
    with pytest.raises(TunnelwrightError) as raised:
        forge(kind, url, project, Secret(b"x"))
    assert "pw" not in raised.value.message


@pytest.mark.parametrize("project", ["group/sub/tunnels", "4711"])
def test_projects_of_gitlab(project: str) -> None:
    assert isinstance(forge(Kind.GITLAB, "", project, Secret(b"x")), GitLab)


def test_a_ci_job_knows_its_forge() -> None:
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": "https://api.github.com",
        "GITHUB_REPOSITORY": PROJECT,
        "GITHUB_TOKEN": f"{TOKEN}\n",
    }
    found = surroundings(github)
    assert (found.kind, found.url, found.project) == (Kind.GITHUB, "https://api.github.com", PROJECT)
    assert found.token == Secret(TOKEN.encode())
    assert TOKEN not in repr(found)
    # Gitea's and Forgejo's runners set GitHub's variables as well.
    for marker in ("GITEA_ACTIONS", "FORGEJO_ACTIONS"):
        there = surroundings({**github, marker: "true", "GITHUB_API_URL": "https://git.acme.example/api/v1"})
        assert (there.kind, there.url) == (Kind.GITEA, "https://git.acme.example/api/v1")
    gitlab = surroundings(
        {"GITLAB_CI": "true", "CI_API_V4_URL": "https://gitlab.com/api/v4", "CI_PROJECT_ID": "4711"}
        | {"CI_JOB_TOKEN": "may not write notes"}
    )
    assert (gitlab.kind, gitlab.project, gitlab.token) == (Kind.GITLAB, "4711", None)
    assert surroundings({"GITHUB_TOKEN": TOKEN}).token is None, "a token alone says not whose it is"
