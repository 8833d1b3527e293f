"""GitHub and GitHub Enterprise Server: https://docs.github.com/rest, version 2022-11-28."""

from __future__ import annotations

from pydantic import BaseModel

from reconciler.forges.api import Api
from reconciler.forges.forge import CommitStatus
from reconciler.forges.github_api import User, put_issue_comment, put_status
from reconciler.model.secret import Secret

PUBLIC = "https://api.github.com"
_DESCRIPTION = 140
"""Characters; a longer one is refused with 422."""


class _Viewer(BaseModel):
    viewer: User


class _Data(BaseModel):
    data: _Viewer


class GitHub:
    """A Forge. `project` is `owner/name`."""

    def __init__(self, url: str, project: str, token: Secret) -> None:
        self._api = Api(url, token, prefix="Bearer ", accept="application/vnd.github+json")
        self._project = f"/repos/{project}"

    def set_status(self, status: CommitStatus) -> None:
        """`POST /repos/{owner}/{repo}/statuses/{sha}`."""
        put_status(self._api, self._project, status, _DESCRIPTION)

    def put_comment(self, number: int, mark: str, body: str) -> None:
        """`/repos/{owner}/{repo}/issues/{number}/comments`: a pull request is an issue."""
        put_issue_comment(self._api, self._project, number, self._login(), mark=mark, body=body)

    def _login(self) -> str:
        """Whose token it is. `GET /user` refuses the tokens of GitHub Actions and of apps; GraphQL, which
        stands beside the REST API (`/api/graphql` beside `/api/v3` on a server of one's own), does not."""
        graphql = f"{self._api.base.removesuffix('/v3')}/graphql"
        return self._api.query(graphql, "query { viewer { login } }", _Data).data.viewer.login
