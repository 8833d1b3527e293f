"""Gitea and Forgejo: their /api/v1, as their /api/swagger describes it."""

from __future__ import annotations

from reconciler.forges.api import Api
from reconciler.forges.forge import CommitStatus
from reconciler.forges.github_api import User, put_issue_comment, put_status
from reconciler.model.secret import Secret

_DESCRIPTION = 255
"""The API names no limit; what is longer is not shown."""


class Gitea:
    """A Forge. `project` is `owner/name`."""

    def __init__(self, url: str, project: str, token: Secret) -> None:
        self._api = Api(url, token, prefix="token ")
        self._project = f"/repos/{project}"

    def set_status(self, status: CommitStatus) -> None:
        """`POST /repos/{owner}/{repo}/statuses/{sha}`."""
        put_status(self._api, self._project, status, _DESCRIPTION)

    def put_comment(self, number: int, mark: str, body: str) -> None:
        """`/repos/{owner}/{repo}/issues/{index}/comments`: a pull request is an issue."""
        login = self._api.get("/user", User).login
        put_issue_comment(self._api, self._project, number, login, mark=mark, body=body)
